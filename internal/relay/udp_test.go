package relay

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestSmallBuffersAreReportedWithTheCommandThatMendsThem(t *testing.T) {
	for _, c := range []struct {
		read, write int
		err         error
		warn        bool
	}{
		{socketBuffer, socketBuffer, nil, false},
		{212992, socketBuffer, nil, true},
		{socketBuffer, 212992, nil, true},
		{0, 0, errors.ErrUnsupported, false},
	} {
		var out bytes.Buffer
		reportBuffers(slog.New(slog.NewTextHandler(&out, nil)), c.read, c.write, c.err)
		if got := strings.Contains(out.String(), "sysctl -w net.core.rmem_max=7340032 net.core.wmem_max=7340032"); got != c.warn {
			t.Errorf("%+v: %q", c, out.String())
		}
	}
	conn, err := listenUDP("127.0.0.1:0", testLog(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if read, write, err := raiseBuffers(conn, 64<<10); err == nil && (read < 64<<10 || write < 64<<10) {
		t.Errorf("asked for 64 KiB, got %d and %d", read, write)
	}
}
