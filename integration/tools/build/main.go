// Command build builds every tool of integration/tools into the cache that the integration tests take them from, one after the other, and says
// how long each took. With names as arguments it builds those only. It prints name and path of each on standard output.
//
// .ci/run calls it before the tests, so that a slow build shows under its own name and not as a slow test:
//
//	go run ./integration/tools/build
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"sallyport/integration/internal/toolchain"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if failed := buildAll(ctx, os.Args[1:]); failed {
		stop()
		os.Exit(1)
	}
}

// buildAll goes on after a failure, so that one run names all the tools that cannot be had.
func buildAll(ctx context.Context, names []string) (failed bool) {
	if len(names) == 0 {
		all, err := toolchain.Names()
		if err != nil {
			fmt.Fprintln(os.Stderr, "build:", err)
			return true
		}
		names = all
	}
	for _, name := range names {
		path, err := toolchain.Build(ctx, name)
		if err != nil {
			fmt.Fprintln(os.Stderr, "build:", err)
			failed = true
			continue
		}
		fmt.Printf("%s %s\n", name, path)
	}
	return failed
}
