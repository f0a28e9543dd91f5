package main

import (
	"fmt"
	"text/tabwriter"

	"starling/bench/profile"
)

// profilesCmd lists what bench lab --profile takes.
type profilesCmd struct{}

func (*profilesCmd) Run(e *env) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	for _, p := range profile.All() {
		fmt.Fprintf(w, "%s\t%s\n", p.Name, p.About)
	}
	return w.Flush()
}
