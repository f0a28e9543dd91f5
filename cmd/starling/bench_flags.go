package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"starling/bench/report"
	"starling/internal/telemetry"
)

// drawn is what the lab and the simulator are told alike.
type drawn struct {
	Profile string `default:"reference" placeholder:"NAME" help:"The network and audience; starling bench profiles lists them. Default reference."`
	Seed    uint64 `default:"1" help:"Of all that is drawn: lines, paths, losses, who comes and goes. Default 1."`
	Bad     string `default:"0%" placeholder:"SHARE" help:"The share of the viewers that misbehave, such as 10% or 0.1. Default none."`
	BadKind string `default:"alter" placeholder:"KIND" help:"How: ${badKinds}. Default alter."`
	Known   bool   `help:"Viewers know what their line carries upwards, and use four fifths of it. Default: they find it out by themselves."`
	Out     string `placeholder:"DIR" type:"path" help:"Write the receipt there as JSON, for starling bench report. Default: print only."`
}

// flag is one that is repeated in a receipt's command when it was set.
type flag struct {
	set  bool
	text string
}

// repeated gives the flags for a receipt's command.
func (d *drawn) repeated(own ...flag) string {
	var s strings.Builder
	for _, f := range append(own, flag{d.Bad != "0%", fmt.Sprintf("--bad %s --bad-kind %s", d.Bad, d.BadKind)}, flag{d.Known, "--known"}) {
		if f.set {
			s.WriteString(" " + f.text)
		}
	}
	return s.String()
}

// finish says in the receipt how it came about, and writes it where it was
// asked for.
func (d *drawn) finish(e *env, command string, receipt *report.Receipt) error {
	receipt.Command, receipt.Version = command, fmt.Sprint(telemetry.BuildInfo())
	if d.Out == "" {
		return nil
	}
	path, err := report.WriteJSON(d.Out, receipt)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.stderr, "receipt:", path)
	return err
}

// parseShare reads "10%" or "0.1".
func parseShare(s string) (float64, error) {
	number, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if percent {
		f /= 100
	}
	if err != nil || !(f >= 0 && f <= 0.9) {
		return 0, fmt.Errorf("%q: %w", s, errShare)
	}
	return f, nil
}

var errShare = errors.New("want a share such as 10% or 0.1, at most 90%")
