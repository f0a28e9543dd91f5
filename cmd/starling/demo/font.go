package demo

import (
	"bytes"
	"context"
	"os"
	"os/exec"
)

// fonts are where Debian, Fedora, Alpine and macOS keep a monospaced font.
var fonts = []string{
	"/usr/share/fonts/truetype/dejavu/DejaVuSansMono-Bold.ttf",
	"/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf",
	"/usr/share/fonts/dejavu-sans-mono-fonts/DejaVuSansMono-Bold.ttf",
	"/usr/share/fonts/dejavu/DejaVuSansMono-Bold.ttf",
	"/usr/share/fonts/truetype/liberation/LiberationMono-Bold.ttf",
	"/System/Library/Fonts/Menlo.ttc",
}

// findFont gives a font's path, or "" when there is none: a clock is then not
// drawn.
func findFont(candidates []string) string {
	for _, f := range candidates {
		if info, err := os.Stat(f); err == nil && info.Mode().IsRegular() {
			return f
		}
	}
	return ""
}

// canDrawText reports whether this ffmpeg was built with the drawtext filter.
func canDrawText(ctx context.Context, ffmpeg string) bool {
	out, err := exec.CommandContext(ctx, ffmpeg, "-hide_banner", "-loglevel", "error", "-filters").Output()
	return err == nil && bytes.Contains(out, []byte(" drawtext "))
}
