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
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7/pkg/signer"

	"sallyport/integration/internal/toolchain"
)

const bucket = "bench"

// server is one process under load.
type server struct {
	name, url            string
	accessKey, secretKey string // empty: requests are not signed
	cmd                  *exec.Cmd
}

type bench struct {
	gateway, synced, bare *server
	client                *http.Client
	objects               int
}

// start starts all servers below work.
func start(ctx context.Context, work string) (b *bench, err error) {
	b = &bench{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	if b.gateway, err = startGateway(ctx, filepath.Join(work, "gateway")); err != nil {
		return b, err
	}
	if b.synced, err = startBare(ctx, filepath.Join(work, "synced"), "sync"); err != nil {
		return b, err
	}
	if b.bare, err = startBare(ctx, filepath.Join(work, "bare"), "nosync"); err != nil {
		return b, err
	}
	if _, err := b.do(ctx, b.gateway, http.MethodPut, "/"+bucket, nil, 0, nil); err != nil {
		return b, fmt.Errorf("make bucket: %w", err)
	}
	return b, nil
}

func (b *bench) stop() {
	for _, s := range []*server{b.gateway, b.synced, b.bare} {
		if s != nil && s.cmd.Process != nil {
			_ = s.cmd.Process.Signal(syscall.SIGTERM)
			_ = s.cmd.Wait()
		}
	}
}

func startGateway(ctx context.Context, dir string) (*server, error) {
	binary, err := toolchain.Sallyport(ctx)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "quickstart", "--json", "--yes", "--listen", "127.0.0.1:0", "--dir", dir)
	line, err := firstLine(cmd)
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	var said struct {
		Endpoint  string `json:"endpoint"`
		AccessKey string `json:"access_key"`
		SecretKey string `json:"secret_key"`
	}
	if err := json.Unmarshal([]byte(line), &said); err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	return &server{name: "gateway", url: said.Endpoint, accessKey: said.AccessKey, secretKey: said.SecretKey, cmd: cmd}, nil
}

func startBare(_ context.Context, dir, mode string) (*server, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "bare-server", dir, mode)
	line, err := firstLine(cmd)
	if err != nil {
		return nil, fmt.Errorf("start bare server: %w", err)
	}
	return &server{name: "bare server, " + mode, url: strings.TrimSpace(line), cmd: cmd}, nil
}

// firstLine starts a program and returns the first line it prints.
func firstLine(cmd *exec.Cmd) (string, error) {
	cmd.Env = toolchain.Environ()
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	return bufio.NewReader(out).ReadString('\n')
}

// do sends one request and returns how many bytes the answer had; check sees the answer's bytes.
func (b *bench) do(ctx context.Context, s *server, method, path string, body io.Reader, size int64, check io.Writer) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, body)
	if err != nil {
		return 0, err
	}
	req.ContentLength = size
	if s.accessKey != "" {
		req.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
		req = signer.SignV4(*req, s.accessKey, s.secretKey, "", "us-east-1")
	}
	resp, err := b.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return 0, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, text)
	}
	if check == nil {
		check = io.Discard
	}
	return io.Copy(check, resp.Body)
}

// peakRSS returns the highest resident memory of a process so far, in bytes; Linux only.
func peakRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no VmHWM")
}

// resetPeak makes the peak start anew, so that what the unlock took is not counted.
func resetPeak(pid int) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0)
}

func timed(f func() error) (time.Duration, error) {
	began := time.Now()
	err := f()
	return time.Since(began), err
}
