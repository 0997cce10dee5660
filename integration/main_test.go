package integration

import (
	"context"
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"sallyport/integration/internal/toolchain"
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if err := theSuite().sum(!testing.Short() && flag.Lookup("test.run").Value.String() == "" && code == 0); err != nil {
		fmt.Println("FAIL", err)
		code = 1
	}
	os.Exit(code)
}

// needsPrograms leaves a test out in -short, which has neither the built binary nor the clients.
func needsPrograms(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("-short leaves out what needs real programs")
	}
}

// binaryVariable names the environment variable that puts another build to the test, such as a release's, instead of the working tree's.
const binaryVariable = "INTEGRATION_BINARY"

// The two builds of the product are made at most once per run, and only if a test asks.
var (
	plainBinary = sync.OnceValues(func() (string, error) { return toolchain.Sallyport(context.Background()) })
	raceBinary  = sync.OnceValues(func() (string, error) { return toolchain.SallyportRace(context.Background()) })
)

// sallyport returns the path of the product's binary, with the race detector in it unless a test needs its real speed.
func sallyport(t testing.TB, plain bool) string {
	t.Helper()
	if path := os.Getenv(binaryVariable); path != "" {
		return path
	}
	build := raceBinary
	if plain {
		build = plainBinary
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tool returns the path of a pinned foreign program.
func tool(t testing.TB, name string) string {
	t.Helper()
	path, err := toolchain.Build(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// notRun ends a test that this machine cannot run, and says so where nobody can miss it.
func notRun(t *testing.T, reason string) {
	t.Helper()
	fmt.Fprintf(os.Stderr, "NOT RUN: %s: %s\n", t.Name(), reason)
	t.Skip("NOT RUN: " + reason)
}
