// Sallyport is an S3 endpoint that encrypts what it stores: clients put and get ordinary S3 objects, and only ciphertext reaches the folder or
// bucket behind it. Its commands live in gateway/cli.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"sallyport/gateway/cli"
)

func main() {
	os.Exit(run())
}

// run lets the first SIGINT or SIGTERM end the command in good order and the second at once.
func run() int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 2) // both have room, so that a second one right behind the first is not lost
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		cancel(cli.Interruption{Signal: <-signals})
		os.Exit(cli.Interruption{Signal: <-signals}.ExitCode())
	}()
	return cli.Run(ctx, os.Args[1:], &cli.Stdio{In: os.Stdin, Out: os.Stdout, Err: os.Stderr})
}
