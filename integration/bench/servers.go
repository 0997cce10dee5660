package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"sallyport/integration/internal/minioserver"
	"sallyport/integration/internal/toolchain"
)

const bucket = "bench"

// server is one process under load.
type server struct {
	name, url            string
	admin                string // host and port of the gateway's profiles; empty: they were not asked for
	accessKey, secretKey string // empty: it only knows whole objects, and requests are not signed
	pid                  int
	gateway              bool
	end                  func() error
}

// ratio names two of the bench's servers.
type ratio struct{ of, to int }

type bench struct {
	servers []*server
	ratios  []ratio
	minio   *minioserver.Server // behind the servers; nil over a folder
	client  *http.Client
	objects int
	rounds  int
	work    string // folder for everything that is kept while the bench runs
	// profiles is the folder for profiles, which are then taken in place of figures; empty: none.
	profiles string
	figures  []figure
	out      io.Writer
}

func (b *bench) stop() error {
	var errs []error
	for _, s := range slices.Backward(b.servers) {
		errs = append(errs, s.end())
	}
	if b.minio != nil {
		errs = append(errs, b.minio.Remove())
	}
	return errors.Join(errs...)
}

// add starts a server and, where it knows buckets, makes one there.
func (b *bench) add(ctx context.Context, s *server, err error) error {
	if err != nil {
		return err
	}
	b.servers = append(b.servers, s)
	if s.accessKey == "" {
		return nil
	}
	_, err = b.do(ctx, s, request{method: http.MethodPut, path: "/" + bucket})
	if err != nil && !strings.Contains(err.Error(), "BucketAlreadyOwnedByYou") {
		return fmt.Errorf("make bucket at %s: %w", s.name, err)
	}
	return nil
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}
}

func startOverFolder(ctx context.Context, b *bench, work string) error {
	b.client, b.ratios = newClient(), []ratio{{0, 1}, {0, 2}}
	s, err := startQuickstart(ctx, filepath.Join(work, "gateway"))
	if err := b.add(ctx, s, err); err != nil {
		return err
	}
	s, err = startBare(filepath.Join(work, "synced"), "sync")
	s.name = "bare, synced"
	if err := b.add(ctx, s, err); err != nil {
		return err
	}
	s, err = startBare(filepath.Join(work, "bare"), "nosync")
	return b.add(ctx, s, err)
}

func startQuickstart(ctx context.Context, dir string) (*server, error) {
	binary, err := toolchain.Sallyport(ctx)
	if err != nil {
		return nil, err
	}
	s, line, err := launch(exec.Command(binary, "quickstart", "--json", "--yes", "--listen", "127.0.0.1:0", "--dir", dir))
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	var said struct {
		Endpoint  string `json:"endpoint"`
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		return nil, errors.Join(fmt.Errorf("start gateway: %w", err), s.end())
	}
	s.name, s.gateway, s.url, s.accessKey, s.secretKey = "gateway", true, said.Endpoint, said.AccessKey, said.SecretKey
	return s, nil
}

func startBare(dir, mode string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return startSelf("bare", "bare-server", dir, mode)
}

// startSelf starts another process of this program, which prints its address first.
func startSelf(name string, args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s, line, err := launch(exec.Command(self, args...))
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s.name, s.url = name, strings.TrimSpace(line)
	return s, nil
}

// launch starts a program and returns the first line it prints.
func launch(cmd *exec.Cmd) (*server, string, error) {
	cmd.Env = toolchain.Environ()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	end := func() error { return errors.Join(cmd.Process.Signal(syscall.SIGTERM), ignoreSignal(cmd.Wait())) }
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, "", errors.Join(fmt.Errorf("it said nothing: %w", err), end())
	}
	return &server{pid: cmd.Process.Pid, end: end}, line, nil
}

// ignoreSignal takes being ended by our own signal for what it is.
func ignoreSignal(err error) error {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		if status, ok := e.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return nil
		}
	}
	return err
}
