package local_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"

	"sallyport/providers/driver"
	"sallyport/providers/local"
)

// killFolder names, in the environment, the folder on which this test binary is to write until it is killed.
const killFolder = "LOCAL_TEST_KILL_FOLDER"

// killBody is what write number seq puts at key.
func killBody(key string, seq int) string {
	return strings.Repeat(fmt.Sprintf("%s %d|", key, seq), 1+seq*37%9000)
}

// TestKillChild is the child of TestKill, and does nothing otherwise.
func TestKillChild(t *testing.T) {
	dir := os.Getenv(killFolder)
	if dir == "" {
		return
	}
	f, err := local.Open(t.Context(), &local.Config{Path: dir}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var seed [32]byte
	copy(seed[:], os.Getenv(killFolder+"_SEED"))
	random := rand.New(rand.NewChaCha8(seed))
	for seq := 1; ; seq++ {
		key := fmt.Sprintf("d%d/k%d", random.IntN(3), random.IntN(4))
		what := []string{"put", "put", "new", "delete", "upload"}[random.IntN(5)]
		fmt.Printf("begin %s %d %s\n", key, seq, what)
		if err := killStep(t.Context(), f, key, seq, what); err != nil {
			if what == "new" && driver.Is(err, driver.PreconditionFailed) {
				fmt.Printf("refused %s %d %s\n", key, seq, what)
				continue
			}
			t.Fatal(err)
		}
		fmt.Printf("done %s %d %s\n", key, seq, what)
	}
}

func killStep(ctx context.Context, f *local.Folder, key string, seq int, what string) error {
	body := killBody(key, seq)
	switch what {
	case "delete":
		return f.Delete(ctx, key, &driver.DeleteOptions{})
	case "upload":
		id, err := f.Uploads().Create(ctx, key, nil)
		if err != nil {
			return err
		}
		up := driver.Upload{ID: id, Key: key}
		var parts []driver.Part
		for n, half := range []string{body[:len(body)/2], body[len(body)/2:]} {
			part, err := f.Uploads().PutPart(ctx, up, n+1, strings.NewReader(half), int64(len(half)))
			if err != nil {
				return err
			}
			parts = append(parts, *part)
		}
		if _, err := f.Uploads().Complete(ctx, up, parts, &driver.PutOptions{}); err != nil {
			return err
		}
		return f.Uploads().Abort(ctx, up)
	}
	_, err := f.Put(ctx, key, strings.NewReader(body), int64(len(body)), &driver.PutOptions{IfNoneMatch: what == "new"})
	return err
}

// TestKill kills a process that writes, again and again, and sees that what it said was done is there, whole.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 6))
	state := map[string]string{} // body by key; "" = absent
	for cycle := range 20 {
		key, before, after := killOnce(t, dir, cycle, 20+random.IntN(120), state)
		f, err := local.Open(t.Context(), &local.Config{Path: dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for k, want := range state {
			got := ""
			if _, err := f.Head(t.Context(), k); err == nil {
				got = get(t, f, k)
			} else if !driver.Is(err, driver.NotFound) {
				t.Fatal(err)
			}
			if k == key && (got == before || got == after) {
				state[k] = got
				continue
			}
			if got != want {
				t.Fatalf("cycle %d: %s holds %.40q of %d bytes, want %.40q of %d", cycle, k, got, len(got), want, len(want))
			}
		}
		if entries, err := os.ReadDir(dir + "/.sallyport/tmp"); err != nil || len(entries) > 0 {
			t.Errorf("temporaries remain: %v, %v", entries, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killOnce runs the child until it has said so many lines, and brings state up to date. It returns the key whose call was under way,
// with what it may hold.
func killOnce(t *testing.T, dir string, cycle, lines int, state map[string]string) (key, before, after string) {
	t.Helper()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKillChild$")
	child.Env = append(os.Environ(), killFolder+"="+dir, fmt.Sprintf("%s_SEED=%d", killFolder, cycle))
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	said := 0
	for scan.Scan() {
		var verb, k, what string
		var seq int
		if _, err := fmt.Sscan(scan.Text(), &verb, &k, &seq, &what); err != nil {
			t.Fatalf("child says %q", scan.Text())
		}
		next := killBody(k, seq)
		if what == "delete" {
			next = ""
		}
		switch verb {
		case "begin":
			key, before, after = k, state[k], next
		case "done":
			state[k] = next
			key = ""
		case "refused":
			key = ""
		default:
			t.Fatalf("child says %q", scan.Text())
		}
		if said++; said == lines {
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := io.Copy(io.Discard, out); err != nil {
		t.Log(err)
	}
	if err := child.Wait(); err == nil || said < lines {
		t.Fatalf("child ended by itself after %d lines: %v", said, err)
	}
	return key, before, after
}
