package origin

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"

	"starling/internal/cmaf"
)

func TestTheSeedIsKeptSecretAndMakesStableKeys(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	seed, err := loadSeed(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, seedFile)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v", info.Mode(), err)
	}
	again, err := loadSeed(dir)
	if err != nil || !bytes.Equal(seed, again) {
		t.Fatal("another seed", err)
	}
	a, _ := streamKey(seed, "live/a")
	b, _ := streamKey(seed, "live/b")
	c, _ := streamKey(again, "live/a")
	if a.Equal(b) || !a.Equal(c) {
		t.Error("keys are not one a stream")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSeed(dir); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a seed that others can read: %v", err)
	}
	if err := os.WriteFile(path, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := loadSeed(dir); err == nil {
		t.Error("a damaged seed is used")
	}
}

func TestNumberingSurvives(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	r, err := loadRegistry(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	n, known := r.get("live/a")
	if known {
		t.Fatal("an unknown stream is known")
	}
	one, _ := n.number("v720")
	two, _ := n.number("a128")
	if same, _ := n.number("v720"); one != 1 || two != 2 || same != 1 {
		t.Fatalf("numbers %d %d %d", one, two, same)
	}
	n.NextMSN, n.Discontinuity, n.Used = 77, 3, now
	if err := r.put("live/a", n); err != nil {
		t.Fatal(err)
	}
	if err := r.put("live/old", numbering{Used: now.Add(-forgetAfter - time.Hour)}); err != nil {
		t.Fatal(err)
	}
	r, err = loadRegistry(dir, now)
	if err != nil {
		t.Fatal(err)
	}
	n, known = r.get("live/a")
	if three, _ := n.number("v480"); !known || n.NextMSN != 77 || n.Discontinuity != 3 || three != 3 {
		t.Errorf("%+v", n)
	}
	if _, known := r.get("live/old"); known {
		t.Error("old numbering is kept for ever")
	}
	for i := range 300 {
		if _, err = n.number(strings.Repeat("x", i+1)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("more than 255 numbers")
	}
}

func TestSilenceDecodes(t *testing.T) {
	for channels := range 2 {
		c, err := cmaf.NewAudioConfig(mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48_000, ChannelConfig: uint8(channels + 1)})
		if err != nil {
			t.Fatal(err)
		}
		b, err := cmaf.AudioInit(c, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		frame := c.Silence()
		b = cmaf.AppendChunk(b, 1, 0, false, []cmaf.Sample{{Duration: 1024, Data: frame}, {Duration: 1024, Data: frame}, {Duration: 1024, Data: frame}})
		path := filepath.Join(t.TempDir(), "silence.mp4")
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("ffmpeg", "-v", "error", "-i", path, "-f", "s16le", "-").CombinedOutput()
		if err != nil || len(out) < 2*1024*2*(channels+1) || len(bytes.Trim(out, "\x00")) != 0 {
			t.Errorf("%d channels: %d bytes, %v: %.200q", channels+1, len(out), err, out)
		}
	}
}
