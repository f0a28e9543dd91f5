// Starling is a peer-assisted low-latency streaming CDN in one program: every
// role, or all of them together.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"starling/bench/audience"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1   // something went wrong while running
	exitUsage  = 2   // the command line or the configuration is wrong
	exitForced = 130 // a second signal ended the program before it was done
)

type cli struct {
	Up      upCmd      `cmd:"" help:"Run everything in one process: origin, relay, edge, tracker, STUN and dashboard."`
	Origin  originCmd  `cmd:"" help:"Take broadcasts in by RTMP, encode and package them, and offer them to edges."`
	Edge    edgeCmd    `cmd:"" help:"Get streams from an upstream node and serve viewers."`
	Tracker trackerCmd `cmd:"" help:"Arrange viewers into swarms. Includes STUN."`
	Peer    peerCmd    `cmd:"" help:"Watch a stream without a screen, and share it: a helper for a swarm, or a test viewer."`
	Bench   benchCmd   `cmd:"" help:"Measure."`
	Cert    certCmd    `cmd:"" help:"Certificates of the cluster."`
	Config  configCmd  `cmd:"" help:"Look at the configuration."`
	Version versionCmd `cmd:"" help:"Say which version this is."`
}

// env is what a command needs of the world outside.
type env struct {
	ctx            context.Context
	stdout, stderr io.Writer
	environ        []string
}

// usageError marks what the user has to change, as against what failed.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := untilSignal(context.Background())
	code := run(&env{ctx, os.Stdout, os.Stderr, os.Environ()}, os.Args[1:])
	stop()
	os.Exit(code)
}

// untilSignal gives a context that the first SIGINT or SIGTERM cancels. A
// second one ends the program at once: its ffmpeg children end when their
// connections to it break.
func untilSignal(parent context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(parent)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			cancel()
		case <-ctx.Done():
			return
		}
		if _, ok := <-signals; ok {
			os.Exit(exitForced)
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel()
	}
}

// run executes one command line and gives the exit code.
func run(e *env, args []string) (code int) {
	var c cli
	exited := false
	parser, err := kong.New(&c,
		kong.Name("starling"),
		kong.Description("A peer-assisted low-latency streaming CDN. Start with: starling up --demo"),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(status int) { exited, code = true, status; panic(helpShown{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
		kong.Vars{"badKinds": strings.Join(audience.Misbehaviours(), ", ")},
		kong.Bind(e),
	)
	if err != nil {
		fmt.Fprintln(e.stderr, "starling:", err)
		return exitFailed
	}
	// --help ends parsing from within kong, which knows no other way than to
	// call Exit.
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(helpShown); !ok || !exited {
				panic(r)
			}
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(e.stderr, "starling: %v\nSee starling --help\n", err)
		return exitUsage
	}
	err = command.Run(e)
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintln(e.stderr, "starling:", err)
		return exitUsage
	}
	fmt.Fprintln(e.stderr, "starling:", err)
	return exitFailed
}

// helpShown unwinds run after --help.
type helpShown struct{}
