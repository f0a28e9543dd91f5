package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// asProgram makes this test binary behave as the program itself, so that tests
// have real processes, signals and exit codes.
const asProgram = "STARLING_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Unsetenv(asProgram)
		main()
	}
	os.Exit(m.Run())
}

// process is a running starling.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended

	mu     sync.Mutex
	grown  chan struct{} // closed and replaced when stdout grows or ends
	stdout bytes.Buffer
	stderr bytes.Buffer
}

// launch starts starling with addresses and a state directory of the test's
// own; the test ends it.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(os.Args[0], args...), done: make(chan struct{}), grown: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), asProgram+"=1")
	r, w := io.Pipe()
	p.cmd.Stdout = w
	p.cmd.Stderr = &lockedWriter{&p.mu, &p.stderr}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.stdout.WriteString(s.Text() + "\n")
			close(p.grown)
			p.grown = make(chan struct{})
			p.mu.Unlock()
		}
	}()
	go func() {
		p.cmd.Wait() // the tests look at ProcessState
		w.Close()
		<-reading
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("starling %s\n%s", strings.Join(args, " "), p.output())
		}
	})
	return p
}

type lockedWriter struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (p *process) output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stdout.String() + p.stderr.String()
}

// said waits for a line of standard output that starts with what, and gives
// the word after it.
func (p *process) said(what string) string {
	p.t.Helper()
	deadline := time.NewTimer(60 * time.Second)
	defer deadline.Stop()
	for {
		p.mu.Lock()
		text, grown := p.stdout.String(), p.grown
		p.mu.Unlock()
		for line := range strings.SplitSeq(text, "\n") {
			if rest, ok := strings.CutPrefix(strings.TrimSpace(line), what); ok {
				word, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
				return word
			}
		}
		select {
		case <-grown:
		case <-p.done:
			p.t.Fatalf("it ended before it said %q:\n%s", what, p.output())
		case <-deadline.C:
			p.t.Fatalf("it did not say %q:\n%s", what, p.output())
		}
	}
}

// end waits for the process and gives its exit code.
func (p *process) end() int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.t.Fatalf("it did not end:\n%s", p.output())
	}
	return p.cmd.ProcessState.ExitCode()
}

// stop asks it to end, and checks that it does so cleanly and leaves no
// process of its own behind.
func (p *process) stop(sig os.Signal) {
	p.t.Helper()
	children := descendants(p.t, p.cmd.Process.Pid)
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
	if code := p.end(); code != exitOK {
		p.t.Errorf("exit code %d:\n%s", code, p.output())
	}
	for pid, name := range children {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
			p.t.Errorf("%s (process %d) is still there: %s", name, pid, stat)
		}
	}
}

// descendants finds the living processes below a process, by id.
func descendants(t *testing.T, root int) map[int]string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("reading /proc: %v", err)
	}
	parent, name := map[int]int{}, map[int]string{}
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// PID (NAME) STATE PPID …, proc(5); the name may hold anything.
		open, shut := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
		f := strings.Fields(string(b[shut+1:]))
		pid, err1 := strconv.Atoi(strings.TrimSpace(string(b[:open])))
		ppid, err2 := strconv.Atoi(f[1])
		if err1 != nil || err2 != nil {
			t.Fatalf("cannot read %s: %s", path, b)
		}
		parent[pid], name[pid] = ppid, string(b[open+1:shut])
	}
	out := map[int]string{}
	for pid := range parent {
		for up := parent[pid]; up > 0; up = parent[up] {
			if up == root {
				out[pid] = name[pid]
				break
			}
		}
	}
	return out
}

// eventually polls until check has nothing to say against it.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}

// fetch gets a text.
func fetch(url string) (string, error) {
	res, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, res.Status, body)
	}
	return string(body), err
}

// interrupt is what Ctrl-C sends; terminate what a service manager does.
const (
	interrupt = syscall.SIGINT
	terminate = syscall.SIGTERM
)
