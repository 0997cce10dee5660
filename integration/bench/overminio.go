package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"sallyport/integration/internal/minioserver"
	"sallyport/integration/internal/toolchain"
)

func startOverMinIO(ctx context.Context, b *bench, work string) (err error) {
	b.client, b.ratios = newClient(), []ratio{{0, 2}, {1, 2}, {0, 3}, {2, 3}}
	if b.minio, err = minioserver.Run(ctx, nil); err != nil {
		return err
	}
	client, err := b.minio.Client()
	if err != nil {
		return err
	}
	const sealed = "sealed"
	if err := client.MakeBucket(ctx, sealed, minio.MakeBucketOptions{}); err != nil {
		return fmt.Errorf("make bucket: %w", err)
	}
	for _, etag := range vaultETags() {
		s, err := b.startGateway(ctx, &gatewaySetup{dir: filepath.Join(work, etag), endpoint: b.minio.Endpoint, bucket: sealed, etag: etag})
		if err := b.add(ctx, s, err); err != nil {
			return err
		}
	}
	s, err := startSelf("proxy", "reverse-proxy", b.minio.Endpoint)
	if s != nil {
		s.accessKey, s.secretKey = b.minio.AccessKey, b.minio.SecretKey
	}
	if err := b.add(ctx, s, err); err != nil {
		return err
	}
	return b.add(ctx, &server{
		name: "MinIO", url: b.minio.Endpoint, accessKey: b.minio.AccessKey, secretKey: b.minio.SecretKey, pid: b.minio.PID(), end: func() error { return nil },
	}, nil)
}

// vaultETags are the kinds of ETags that vaults may have, one gateway for each.
func vaultETags() []string { return []string{"md5", "opaque"} }

// gatewaySetup says where a gateway keeps what, and what ETags its vault has.
type gatewaySetup struct {
	dir, endpoint, bucket string
	etag                  string
}

// startGateway makes a vault and serves it.
func (b *bench) startGateway(ctx context.Context, setup *gatewaySetup) (*server, error) {
	binary, err := toolchain.Sallyport(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(setup.dir, 0o700); err != nil {
		return nil, err
	}
	key, err := exec.CommandContext(ctx, binary, "key", "new").Output()
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	s := &server{name: "gateway, " + setup.etag, gateway: true, accessKey: "bench" + rand.Text()[:8], secretKey: rand.Text()}
	admin := ""
	if b.profiles != "" {
		if s.admin, err = freeAddress(); err != nil {
			return nil, err
		}
		admin = fmt.Sprintf("admin: {address: %q, pprof: true}", s.admin)
	}
	at := func(name string) string { return filepath.Join(setup.dir, name) }
	for name, content := range map[string]string{
		"vault.key": string(key), "access": b.minio.AccessKey, "secret": b.minio.SecretKey, "client": s.secretKey,
		"config.yaml": fmt.Sprintf(`
state_dir: %q
listen: {address: "127.0.0.1:0"}
providers: {storage: {type: minio, endpoint: %q, bucket: %s, prefix: %s, access_key_file: %q, secret_key_file: %q}}
vaults: [{name: main, provider: storage, buckets: ["*"], etag: %s, unlock: {key_file: %q}}]
credentials: [{access_key: %s, secret_key_file: %q, allow: [{buckets: ["*"], ops: [read, write, list, delete, create-bucket]}]}]
log: {level: warn}
%s
`, at("state"), setup.endpoint, setup.bucket, setup.etag, at("access"), at("secret"), setup.etag, at("vault.key"), s.accessKey, at("client"), admin),
	} {
		if err := os.WriteFile(at(name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	create := exec.CommandContext(ctx, binary, "vault", "create", "--config", at("config.yaml"), "--key-file", at("vault.key"))
	create.Env = toolchain.Environ()
	if out, err := create.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("create vault: %w: %s", err, out)
	}
	process, line, err := launch(exec.Command(binary, "serve", "--config", at("config.yaml")))
	if err != nil {
		return nil, fmt.Errorf("start gateway: %w", err)
	}
	s.pid, s.end, s.url = process.pid, process.end, strings.TrimSpace(strings.TrimPrefix(line, "serving "))
	return s, nil
}

// serveProxy forwards every request to args[0] as it is, in a process of its own.
func serveProxy(args []string) error {
	target, err := url.Parse(args[0])
	if err != nil {
		return err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
	}
	fmt.Println("http://" + socket.Addr().String())
	server := &http.Server{Handler: proxy, ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(socket)
}

// freeAddress is one that nobody listens at just now.
func freeAddress() (string, error) {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return socket.Addr().String(), socket.Close()
}
