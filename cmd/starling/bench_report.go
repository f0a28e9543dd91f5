package main

import (
	"bytes"
	"fmt"
	"os"

	"starling/bench/report"
)

type benchReportCmd struct {
	Paths  []string `arg:"" name:"receipt" help:"Receipts (*.json), or folders of them."`
	Output string   `short:"o" default:"report.html" placeholder:"FILE" help:"The page to write; - for the standard output. Default report.html."`
	Text   bool     `help:"Write text for the terminal, and no page."`
}

func (c *benchReportCmd) Run(e *env) error {
	receipts, err := report.ReadFiles(c.Paths...)
	if err != nil {
		return err
	}
	if c.Text {
		for _, r := range receipts {
			if err := report.Text(e.stdout, r); err != nil {
				return err
			}
		}
		return nil
	}
	var page bytes.Buffer
	if err := report.HTML(&page, receipts...); err != nil {
		return err
	}
	if c.Output == "-" {
		_, err = page.WriteTo(e.stdout)
		return err
	}
	if err := os.WriteFile(c.Output, page.Bytes(), 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.stdout, "%d receipts in %s\n", len(receipts), c.Output)
	return err
}
