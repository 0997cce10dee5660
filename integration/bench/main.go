// Bench is a small load generator. It starts servers, each as a process of its own, sends all of them the same requests in turns, and prints what each
// did and the ratios. Only ratios of one run mean anything on a shared machine.
//
//	go run ./integration/bench                        over a folder, all scenarios
//	go run ./integration/bench -only put,list         some
//	go run ./integration/bench -over minio            over MinIO
//
// Over a folder the gateway stands beside a bare HTTP file server that answers PUT and GET with io.Copy. That exists twice: with the durability a 200 of
// the gateway stands for (sync the file, rename, sync the folder), and without, as most file servers do it.
//
// Over MinIO two gateways (vaults with ETags by MD5 and opaque ones) stand beside a bare httputil.ReverseProxy in front of the same MinIO, and MinIO alone.
// CPU is what the server's own process took, user and system; that of MinIO and of this client is not in it, but all share the machine's cores.
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
)

const mib = 1 << 20

type scenario struct {
	name string
	run  func(ctx context.Context, b *bench) error
}

func main() {
	if len(os.Args) > 2 {
		serve := map[string]func([]string) error{"bare-server": serveBare, "reverse-proxy": serveProxy}[os.Args[1]]
		if serve != nil {
			if err := serve(os.Args[2:]); err != nil {
				fmt.Fprintf(os.Stderr, "bench: %s: %v\n", os.Args[1], err)
				os.Exit(1)
			}
			return
		}
	}
	only := flag.String("only", "", "scenarios to run, by comma: put, get, multipart, small, memory, list, primitives; and giants, which is never run unasked")
	over := flag.String("over", "folder", "what the gateway keeps its ciphertext in: folder or minio")
	b := &bench{out: os.Stderr}
	flag.IntVar(&b.objects, "objects", 20000, "objects in the listed bucket")
	flag.IntVar(&b.rounds, "rounds", 5, "how often each figure is taken; the median counts")
	flag.StringVar(&b.profiles, "profiles", "", "an existing folder for CPU profiles of the gateways over MinIO, one for each scenario, taken in place of figures")
	dir := flag.String("dir", "", "where to work; must not be tmpfs; empty = the folder for temporary files")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, b, *dir, *only, *over); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, b *bench, dir, only, over string) (err error) {
	start := map[string]func(context.Context, *bench, string) error{"folder": startOverFolder, "minio": startOverMinIO}[over]
	if start == nil {
		return fmt.Errorf("-over %s: it must be folder or minio", over)
	}
	work, err := os.MkdirTemp(dir, "sallyport-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	defer func() { err = errors.Join(err, b.stop()) }()
	b.work = work
	if err := start(ctx, b, work); err != nil {
		return err
	}
	for _, s := range []scenario{
		{"primitives", primitives}, {"put", largePuts}, {"get", largeGets}, {"multipart", multipart}, {"small", smallObjects}, {"memory", peakMemory}, {"list", longList}, {"giants", giantPuts},
	} {
		if only == "" && s.name == "giants" || only != "" && !strings.Contains(","+only+",", ","+s.name+",") {
			continue
		}
		fmt.Fprintf(b.out, "== %s\n", s.name)
		if err := s.run(ctx, b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return b.print(os.Stdout)
}

// figure is one line: the same measurement at each of the bench's servers, in their order; 0 = not measured.
type figure struct {
	name, unit string
	values     []float64
}

// print shows absolute figures too, to tell a slow machine from a fast one, but what counts are the ratios.
func (b *bench) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(t, "| scenario\t| unit")
	for _, s := range b.servers {
		fmt.Fprintf(t, "\t| %s", s.name)
	}
	for _, r := range b.ratios {
		fmt.Fprintf(t, "\t| %s : %s", b.servers[r.of].name, b.servers[r.to].name)
	}
	fmt.Fprint(t, "\t|\n|---\t|---")
	for range len(b.servers) + len(b.ratios) {
		fmt.Fprint(t, "\t|---")
	}
	fmt.Fprintln(t, "\t|")
	for _, f := range b.figures {
		fmt.Fprintf(t, "| %s\t| %s", f.name, f.unit)
		for _, v := range f.values {
			fmt.Fprintf(t, "\t| %s", short(v))
		}
		for _, r := range b.ratios {
			if f.values[r.to] == 0 || f.values[r.of] == 0 {
				fmt.Fprint(t, "\t| ")
				continue
			}
			fmt.Fprintf(t, "\t| %.2f", f.values[r.of]/f.values[r.to])
		}
		fmt.Fprintln(t, "\t|")
	}
	return t.Flush()
}

func short(v float64) string {
	switch {
	case v == 0:
		return ""
	case v < 10:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
