package main

import (
	"context"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
)

const (
	giantSize = 5 << 30
	giants    = 16

	leastDiscarded = 4 << 20
)

// discardParts stands before a MinIO and throws the long parts of uploads away, which it says are stored; the end of such an upload it answers by itself.
// Everything else goes to MinIO, the probes of conditions among it. So bodies of any length can be sent, on a machine that could not hold them.
func discardParts(target *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // it is signed
	}}
	var discarded sync.Map // ids of uploads
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		id := query.Get("uploadId")
		w.Header().Set("X-Amz-Request-Id", "discarded") // without one the gateway would not take the answer for MinIO's
		_, begun := discarded.Load(id)
		switch {
		case r.Method == http.MethodPut && query.Has("partNumber") && (begun || r.ContentLength >= leastDiscarded):
			discarded.Store(id, true)
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			w.Header().Set("Etag", `"`+rand.Text()+`"`)
		case r.Method == http.MethodPost && begun:
			answer := struct {
				XMLName     xml.Name `xml:"CompleteMultipartUploadResult"`
				Bucket, Key string
				ETag        string
			}{Bucket: "sealed", Key: "discarded", ETag: rand.Text() + "-2"}
			w.Header().Set("Content-Type", "application/xml")
			_ = xml.NewEncoder(w).Encode(answer)
		default:
			w.Header().Del("X-Amz-Request-Id") // MinIO's own goes out
			proxy.ServeHTTP(w, r)
		}
	})
}

// giantPuts sends sixteen objects of the greatest size at once through gateways of their own, whose backend keeps none of them.
func giantPuts(ctx context.Context, b *bench) error {
	if b.minio == nil {
		return nil
	}
	target, err := url.Parse(b.minio.Endpoint)
	if err != nil {
		return err
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	storage := &http.Server{Handler: discardParts(target), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = storage.Serve(socket) }()
	defer func() { _ = storage.Close() }()
	client, err := b.minio.Client()
	if err != nil {
		return err
	}
	const sealed = "discarding"
	if err := client.MakeBucket(ctx, sealed, minio.MakeBucketOptions{}); err != nil {
		return fmt.Errorf("make bucket: %w", err)
	}
	peaks := make([]float64, len(b.servers))
	for k, etag := range vaultETags() {
		if peaks[k], err = b.giantPeak(ctx, &gatewaySetup{dir: filepath.Join(b.work, "discarding-"+etag), endpoint: "http://" + socket.Addr().String(), bucket: sealed, etag: etag}); err != nil {
			return err
		}
	}
	b.record(fmt.Sprintf("peak memory, %d PUTs of %d GiB at once, discarded", giants, giantSize>>30), "MiB", peaks)
	return nil
}

func (b *bench) giantPeak(ctx context.Context, setup *gatewaySetup) (peak float64, err error) {
	s, err := b.startGateway(ctx, setup)
	if err != nil {
		return 0, err
	}
	defer func() {
		if endErr := s.end(); err == nil {
			err = endErr
		}
	}()
	if _, err := b.do(ctx, s, request{method: http.MethodPut, path: "/" + bucket}); err != nil {
		return 0, err
	}
	if err := resetPeak(s.pid); err != nil {
		return 0, err
	}
	err = inParallel(giants, giants, func(i int) error {
		_, err := b.do(ctx, s, put(fmt.Sprintf("/%s/giant-%d", bucket, i), giantSize, ""))
		return err
	})
	if err != nil {
		return 0, err
	}
	bytes, err := peakRSS(s.pid)
	return float64(bytes) / mib, err
}
