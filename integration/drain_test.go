package integration

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// slowUpload is a PUT whose body comes only when the test wants it.
type slowUpload struct {
	body   []byte
	pipe   *io.PipeWriter
	status chan int // 0 = the connection broke
}

// begin sends all but the last byte, and returns when the gateway has most of it.
func begin(t *testing.T, g *gateway, path string) *slowUpload {
	t.Helper()
	u := &slowUpload{body: noise(8, 6<<20), status: make(chan int, 1)}
	req := signed(t, g, time.Now(), http.MethodPut, path, u.body)
	read, write := io.Pipe()
	req.Body, req.GetBody, u.pipe = read, nil, write
	req = req.WithContext(context.WithoutCancel(t.Context()))
	client := g.httpClient(t)
	go func() {
		resp, err := client.Do(req)
		if err != nil {
			u.status <- 0
			return
		}
		_ = resp.Body.Close()
		u.status <- resp.StatusCode
	}()
	if _, err := u.pipe.Write(u.body[:len(u.body)-1]); err != nil {
		t.Fatal(err)
	}
	return u
}

// refusesConnections reports whether the port is closed.
func refusesConnections(g *gateway) bool {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	resp, err := client.Get(g.Endpoint) //nolint:noctx // bounded by its timeout
	if err == nil {
		_ = resp.Body.Close()
	}
	return err != nil
}

func TestStopFinishesTheUploadUnderWay(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "drained")
	u := begin(t, g, "/drained/object")
	g.signal(syscall.SIGTERM)
	eventually(t, patience, "no new connections", func() bool { return refusesConnections(g) })
	if g.ended() {
		t.Fatal("it stopped with an upload under way")
	}
	if _, err := u.pipe.Write(u.body[len(u.body)-1:]); err != nil {
		t.Fatal(err)
	}
	_ = u.pipe.Close()
	if status := <-u.status; status != http.StatusOK {
		t.Errorf("the upload under way got %d", status)
	}
	if code := g.wait(patience); code != 0 {
		t.Errorf("exit %d", code)
	}
	again := quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}.start(t)
	sameBytes(t, "the upload under way", u.body, getObject(t, again, "drained", "object"))
}

func TestSecondSignalCutsAndLeavesTheOldObject(t *testing.T) {
	needsPrograms(t)
	g := newGateway(t)
	makeBucket(t, g, "drained")
	old := noise(1, 50_000)
	putObject(t, g, "drained", "object", old)
	u := begin(t, g, "/drained/object")
	g.signal(syscall.SIGTERM)
	eventually(t, patience, "no new connections", func() bool { return refusesConnections(g) })
	g.signal(syscall.SIGTERM)
	g.wait(10 * time.Second)
	_ = u.pipe.CloseWithError(io.ErrUnexpectedEOF) // the client waits for the body as long as there may be more
	if status := <-u.status; status == http.StatusOK {
		t.Error("an upload that was cut got a 200")
	}
	again := quickstart{dir: g.Dir, args: []string{"--key-file", g.keyFile(t)}}.start(t)
	sameBytes(t, "the object of before", old, getObject(t, again, "drained", "object"))
	eventually(t, patience, "the cut upload's temporary file is swept", func() bool {
		left, err := filepath.Glob(filepath.Join(g.data(), ".sallyport", "tmp", "*"))
		return err == nil && len(left) == 0
	})
	if files := objectFiles(t, g.data()); len(files) != 1 {
		t.Errorf("files in the folder: %q", files)
	}
}
