package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"starling/bench/transport"
)

// transportCmd measures ways of sending slices (docs/transport.md).
type transportCmd struct {
	Sizes    bool          `help:"Vary the number of slices and the size of chunks, where there is loss. Default: the ways of sending, over all paths."`
	Only     string        `placeholder:"TEXT" help:"Only ways whose name has this in it. Default all."`
	Duration time.Duration `default:"30s" help:"Media in each cell, in virtual time. Default 30s."`
	Seed     uint64        `default:"1" help:"Of losses and part sizes. Default 1."`
	Parallel int           `default:"2" help:"Cells computed at once. Default 2."`
	Out      string        `placeholder:"DIR" type:"path" help:"Write transport.json and transport.md there. Default: print the tables only."`
}

func (c *transportCmd) Run(e *env) error {
	o := transport.Options{Duration: c.Duration, Seed: c.Seed, Parallel: c.Parallel, Schemes: transport.Schemes(), Paths: transport.AllPaths()}
	name := "transport"
	if c.Sizes {
		name, o.Schemes, o.Paths = "transport-sizes", transport.Sizes(), transport.SizePaths()
	}
	o.Schemes = slices.DeleteFunc(o.Schemes, func(s transport.Scheme) bool { return !strings.Contains(s.Name, c.Only) })
	if len(o.Schemes) == 0 {
		return usageError{fmt.Errorf("--only %q: no way of sending has that in its name", c.Only)}
	}
	table, err := transport.Run(e.ctx, o, func(done, of int, row transport.Row) {
		fmt.Fprintf(e.stderr, "\r\033[K%d of %d: %s over %v", done, of, row.Scheme.Name, row.Path)
	})
	fmt.Fprintln(e.stderr)
	if len(table.Rows) == 0 {
		return err
	}
	md := table.Markdown() // when interrupted, of what there was until then
	if c.Out != "" {
		err = errors.Join(err, writeTable(c.Out, name, table, md))
	}
	_, printed := fmt.Fprint(e.stdout, md)
	return errors.Join(err, printed)
}

func writeTable(dir, name string, table transport.Table, md string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder for the tables: %w", err)
	}
	b, err := json.MarshalIndent(table, "", " ")
	if err != nil {
		return fmt.Errorf("encode the table: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".md"), []byte(md), 0o644); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}
