// Bench is a small load generator: it starts the gateway over a folder, and a bare HTTP file server, each as a process of its own, sends both the
// same requests in one run, and prints the ratio. Only ratios of one run mean anything on a shared machine.
//
//	go run ./integration/bench                 all scenarios
//	go run ./integration/bench -only put,list  some
//
// The bare server answers PUT and GET with io.Copy. It exists twice: with the durability a 200 of the gateway stands for (sync the file, rename,
// sync the folder), and without, as most file servers do it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

const mib = 1 << 20

// figure is one measured line: the same scenario at each server.
type figure struct {
	name    string
	unit    string
	gateway float64
	synced  float64 // bare server that syncs; 0 = not measured
	bare    float64 // bare server that does not
}

type scenario struct {
	name string
	run  func(ctx context.Context, b *bench) ([]figure, error)
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == "bare-server" {
		if err := serveBare(os.Args[2], os.Args[3] == "sync"); err != nil {
			fmt.Fprintln(os.Stderr, "bench: bare server:", err)
			os.Exit(1)
		}
		return
	}
	only := flag.String("only", "", "scenarios to run, by comma: put, get, small, list, memory")
	objects := flag.Int("objects", 20000, "objects in the listed bucket")
	dir := flag.String("dir", "", "where to work; must not be tmpfs; empty = the folder for temporary files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *dir, *only, *objects); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, dir, only string, objects int) (err error) {
	work, err := os.MkdirTemp(dir, "sallyport-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	b, err := start(ctx, work)
	if err != nil {
		return err
	}
	defer b.stop()
	b.objects = objects
	var all []figure
	for _, s := range []scenario{{"put", largePuts}, {"get", largeGets}, {"small", smallObjects}, {"memory", peakMemory}, {"list", longList}} {
		if only != "" && !strings.Contains(","+only+",", ","+s.name+",") {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", s.name)
		got, err := s.run(ctx, b)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		all = append(all, got...)
	}
	return print(os.Stdout, all)
}

// print shows absolute figures too, to tell a slow machine from a fast one, but what counts is the last two columns.
func print(w io.Writer, all []figure) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "scenario\tunit\tgateway\tbare, synced\tbare\tto synced\tto bare\t")
	for _, f := range all {
		ratio := func(of float64) string {
			if of == 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f", f.gateway/of)
		}
		number := func(n float64) string {
			if n == 0 {
				return "-"
			}
			return fmt.Sprintf("%.1f", n)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", f.name, f.unit, number(f.gateway), number(f.synced), number(f.bare), ratio(f.synced), ratio(f.bare))
	}
	return t.Flush()
}

// rounds is how often a scenario is repeated; servers take turns, so that a busy moment of the machine hits all of them, and the best round counts.
const rounds = 3

// best runs one measurement at every server in turn and keeps each server's best figure.
func (b *bench) best(measure func(s *server) (float64, error)) (f figure, err error) {
	for range rounds {
		for _, at := range []struct {
			s    *server
			into *float64
		}{{b.gateway, &f.gateway}, {b.synced, &f.synced}, {b.bare, &f.bare}} {
			got, err := measure(at.s)
			if err != nil {
				return f, fmt.Errorf("%s: %w", at.s.name, err)
			}
			*at.into = max(*at.into, got)
		}
	}
	return f, nil
}

func rate(bytes int64, took time.Duration) float64 { return float64(bytes) / mib / took.Seconds() }

// serveBare is the second half of this program, in a process of its own.
func serveBare(dir string, sync bool) error {
	s, err := newBareServer(dir, sync)
	if err != nil {
		return err
	}
	fmt.Println(s.url())
	return s.serve()
}
