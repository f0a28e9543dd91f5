package main

// benchCmd has a field for each benchmark; each is in a file of its own,
// bench_NAME.go.
type benchCmd struct {
	Lab       labCmd         `cmd:"" help:"Let an audience watch over a model of the internet, in virtual time, and set it beside the same audience without a swarm."`
	Profiles  profilesCmd    `cmd:"" help:"List the networks and audiences that the lab knows."`
	Swarm     swarmCmd       `cmd:"" help:"Let many viewers without a screen watch a running node's stream, and report offload, latency and stalls."`
	Report    benchReportCmd `cmd:"" help:"Make one page with plots from the receipts of benchmarks."`
	Simulate  simulateCmd    `cmd:"" help:"Let up to hundreds of thousands of viewers watch in virtual time: the policy alone, over modelled lines."`
	Transport transportCmd   `cmd:"" help:"Measure ways of sending slices between peers over paths with delay and loss."`
}
