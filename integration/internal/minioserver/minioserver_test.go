package minioserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/encrypt"
)

func TestServerKeepsDataOverStopAndKill(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	s := Start(t, nil)
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := client.MakeBucket(ctx, "bucket", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 100_000)
	rand.Read(body)
	if _, err := client.PutObject(ctx, "bucket", "a/b", bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, end := range map[string]func() error{"stop": s.Stop, "kill": s.Kill} {
		if err := end(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := end(); err != nil {
			t.Fatalf("%s of a stopped server: %v", name, err)
		}
		if _, err := net.Dial("tcp", s.Address); err == nil {
			t.Fatalf("after %s something still listens on %s", name, s.Address)
		}
		if err := s.Resume(ctx); err != nil {
			t.Fatalf("resume after %s: %v", name, err)
		}
		if err := s.Resume(ctx); err == nil {
			t.Fatal("a running server was resumed")
		}
		object, err := client.GetObject(ctx, "bucket", "a/b", minio.GetObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(object)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("after %s: %d bytes, %v; want the %d stored", name, len(got), err, len(body))
		}
	}
}

func TestServerWithTLSTakesSSEC(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	s := Start(t, &Options{TLS: true})
	if !strings.HasPrefix(s.Endpoint, "https://") {
		t.Fatalf("endpoint %s", s.Endpoint)
	}
	client, err := s.Client()
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := client.MakeBucket(ctx, "bucket", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	key, err := encrypt.NewSSEC(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutObject(ctx, "bucket", "k", strings.NewReader("x"), 1, minio.PutObjectOptions{ServerSideEncryption: key}); err != nil {
		t.Fatal(err)
	}
}

func TestCleanupLeavesNothing(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	var dir, address string
	t.Run("inner", func(t *testing.T) {
		s := Start(t, nil)
		dir, address = s.dir, s.Address
		if _, err := os.Stat(filepath.Join(dir, "data0", ".minio.sys")); err != nil {
			t.Fatalf("no data where it should be: %v", err)
		}
	})
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("data folder after cleanup: %v", err)
	}
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the server still listens after cleanup")
	}
}

func TestPortTakenByAnotherIsNoticed(t *testing.T) {
	if testing.Short() {
		t.Log("not run with -short: needs MinIO's server")
		return
	}
	first := Start(t, nil)
	second := &Server{
		Address: first.Address, Endpoint: first.Endpoint, Region: region, AccessKey: "rootanother", SecretKey: rand.Text(),
		program: first.program, dir: t.TempDir(),
	}
	err := second.start(t.Context())
	if !errors.Is(err, errEarlyExit) {
		t.Fatalf("start on a taken port: %v, want an early exit", err)
	}
	if second.process != nil {
		t.Fatal("a process is left")
	}
}

func TestStartEndsWithContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	p := sleeper(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 200*time.Millisecond, errors.New("enough"))
	defer cancel()
	s := &Server{Address: listener.Addr().String(), Endpoint: "http://" + listener.Addr().String(), AccessKey: "a", SecretKey: "b", process: p}
	if err := s.awaitReady(ctx); err == nil || !strings.Contains(err.Error(), "enough") {
		t.Fatalf("waited with %v", err)
	}
	if err := p.end(0); err != nil {
		t.Fatal(err)
	}
}

func TestAServerThatDiedIsReported(t *testing.T) {
	p := sleeper(t)
	if err := p.pid.Kill(); err != nil {
		t.Fatal(err)
	}
	<-p.exited
	s := &Server{process: p}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
		t.Fatalf("stop after the server died: %v", err)
	}
}

func TestMissingProgram(t *testing.T) {
	if _, err := launch(exec.Command(filepath.Join(t.TempDir(), "absent")), filepath.Join(t.TempDir(), "log")); err == nil {
		t.Fatal("started a program that is not there")
	}
}

// sleeper starts this test binary again as a process that waits to be ended.
func sleeper(t *testing.T) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), "MINIOSERVER_TEST_SLEEPS=1")
	p, err := launch(command, filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestMain(m *testing.M) {
	if os.Getenv("MINIOSERVER_TEST_SLEEPS") != "" {
		<-time.After(time.Minute) // the test ends it long before
	}
	os.Exit(m.Run())
}
