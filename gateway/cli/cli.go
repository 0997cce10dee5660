// Package cli is the sallyport command: it parses arguments, asks for secrets, composes the gateway and prints what happened. Commands
// are thin; what they do lives in the packages below.
//
// Secrets are read from a terminal prompt, a file or a descriptor, never from an argument or the environment. Exit codes: 0 done, 1 it was
// tried and failed, 2 the call cannot be carried out as given (arguments, missing key, configuration), 130 it was interrupted (Ctrl-C) while it
// asked, 143 it was terminated (SIGTERM) while it asked; the last two also after a second signal that cuts a stop short.
package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	// exitInterrupted is what shells show for a program that Ctrl-C ended.
	exitInterrupted = exitSignal + 2
	// exitSignal is what shells add to the number of a signal that ended a program.
	exitSignal = 128
)

// Interruption is the cause with which a signal cancels the context of [Run]. A context that ends for another reason counts as Ctrl-C.
type Interruption struct{ Signal os.Signal }

// Error says which signal it was.
func (i Interruption) Error() string { return "stopped by signal: " + i.Signal.String() }

// Unwrap makes it a cancelled context for whoever asks only for that.
func (Interruption) Unwrap() error { return context.Canceled }

// ExitCode returns what shells show for a program that the signal ended.
func (i Interruption) ExitCode() int {
	if number, ok := i.Signal.(syscall.Signal); ok {
		return exitSignal + int(number)
	}
	return exitInterrupted
}

// usageError is a failure that lies in how the command was called: exit 2.
type usageError string

func (e usageError) Error() string { return string(e) }

// commands is the whole command line.
type commands struct {
	Quickstart quickstartCommand `cmd:"" help:"Make a vault in a folder if there is none, and serve it on this machine. Take an empty folder: other programs' files in it are left alone, neither encrypted nor served; if one looks like an object, no vault is made."`
	Serve      serveCommand      `cmd:"" help:"Serve the vaults of a configuration file."`
	Doctor     doctorCommand     `cmd:"" help:"Try everything a configuration relies on: files, clock, TLS, ports, storage, vaults. config check looks at the document only."`
	Vault      struct {
		Create vaultCreateCommand `cmd:"" help:"Make a new vault in a root that holds none, with the secret that the configuration's unlock names if that file exists, and show a new 64-digit key once. Take an empty folder: other programs' files in it are left alone, neither encrypted nor served; if one looks like an object, no vault is made."`
		Status vaultStatusCommand `cmd:"" help:"Show what is known of a vault; with its key or password, also its buckets."`
		Passwd vaultPasswdCommand `cmd:"" help:"Add a password, or change it: the old one then opens nothing new."`
	} `cmd:"" help:"Make and look after vaults."`
	Key struct {
		New keyNewCommand `cmd:"" help:"Print a fresh 64-digit key, for vault create --key-file."`
	} `cmd:"" help:"Keys."`
	Config struct {
		Check configCheckCommand `cmd:"" help:"Report every mistake in a configuration file. It looks at the document only, not at the files, storage and vaults it names: doctor does."`
	} `cmd:"" help:"Configuration."`
	Object struct {
		Inspect objectInspectCommand `cmd:"" help:"Say what an encrypted file is; with its key, all of it."`
		Decrypt objectDecryptCommand `cmd:"" help:"Decrypt one encrypted file, copied by any tool."`
		Salvage objectSalvageCommand `cmd:"" help:"Get what can be had out of a file whose end is lost or damaged."`
	} `cmd:"" help:"Look into single encrypted files, without a gateway."`
	Recover recoverCommand `cmd:"" help:"Decrypt a whole root into a folder, with nothing but the root and the key."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

// Run carries out the command line args (without the program's name) and returns the exit code. Cancelling ctx stops a server after its
// requests, other commands at the next file, and at once while they ask for something; then an [Interruption] as its cause picks the code.
func Run(ctx context.Context, args []string, stdio *Stdio) int {
	var c commands
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("sallyport"),
		kong.Description("An S3 endpoint that encrypts what it stores: backups go in as S3 objects, only ciphertext comes to rest.\n"+
			"Lose both the 64-digit key and every password, and nobody can restore your data, the makers of Sallyport included."),
		kong.Writers(stdio.Out, stdio.Err),
		kong.Exit(func(code int) { exited = code }),
		kong.UsageOnError(),
	)
	if err != nil {
		panic("cli: internal error: " + err.Error())
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if err := checkEmpty(args); err != nil {
		stdio.notef("sallyport: %v\n", err)
		return exitUsage
	}
	parsed, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err != nil {
		stdio.notef("sallyport: %v\nTry: sallyport --help\n", err)
		return exitUsage
	}
	parsed.BindTo(ctx, (*context.Context)(nil))
	err = parsed.Run(stdio)
	if err == nil {
		return exitOK
	}
	stdio.notef("sallyport: %v\n", err)
	if errors.Is(err, errInterrupted) {
		if by, ok := errors.AsType[Interruption](context.Cause(ctx)); ok {
			return by.ExitCode()
		}
		return exitInterrupted
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// checkEmpty refuses arguments without a text, as shells make them of variables that are not set. As a path such a one would be the working
// folder, which is no place for a vault that nobody meant to make there, nor for plaintext.
func checkEmpty(args []string) error {
	for i, arg := range args {
		flag, value, assigned := strings.Cut(arg, "=")
		if !assigned && i > 0 && arg == "" {
			flag = args[i-1]
		}
		switch {
		case value != "" || arg != "" && !assigned:
		case strings.HasPrefix(flag, "--"):
			return usageError(flag + " is empty: give it a value, or leave it out")
		case arg == "":
			return usageError(fmt.Sprintf("argument %d is empty", i+1))
		}
	}
	return nil
}

type versionCommand struct{}

// Run prints the module version and the revision it was built from.
func (versionCommand) Run(stdio *Stdio) error {
	stdio.printf("%s\n", version())
	return nil
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "sallyport (unknown version)"
	}
	revision := ""
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = " " + s.Value
		}
	}
	return fmt.Sprintf("sallyport %s%s %s", info.Main.Version, revision, info.GoVersion)
}
