package gateway

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"sallyport/gateway/telemetry"
)

// certificateFiles serves a certificate from two files and takes up changed ones, so that a renewal needs no restart. A pair that does
// not load leaves the previous one in use and is reported once per change. Safe for concurrent use.
type certificateFiles struct {
	certFile, keyFile string
	log               *slog.Logger

	mu       sync.Mutex
	current  *tls.Certificate
	stamp    [2]fileStamp
	nextLook time.Time
}

// fileStamp tells one state of a file from another.
type fileStamp struct {
	modTime time.Time
	size    int64
}

// lookInterval bounds how often the files' times are asked for.
const lookInterval = time.Second

func loadCertificateFiles(certFile, keyFile string, log *slog.Logger) (*certificateFiles, error) {
	c := &certificateFiles{certFile: certFile, keyFile: keyFile, log: log}
	stamp, err := c.stamps()
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate: %w", err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load TLS certificate %s and key %s: %w", certFile, keyFile, err)
	}
	c.current, c.stamp = &pair, stamp
	return c, nil
}

func (c *certificateFiles) stamps() (s [2]fileStamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return s, err
		}
		s[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return s, nil
}

// certificate is a tls.Config.GetCertificate.
func (c *certificateFiles) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.After(c.nextLook) {
		c.nextLook = now.Add(lookInterval)
		c.reload()
	}
	return c.current, nil
}

func (c *certificateFiles) reload() {
	stamp, err := c.stamps()
	if stamp == c.stamp {
		return
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.certFile, c.keyFile); err == nil {
			c.current, c.stamp = &pair, stamp
			c.log.Info("TLS certificate reloaded", telemetry.Path(c.certFile))
			return
		}
	}
	c.stamp = stamp
	c.log.Warn("TLS certificate changed and does not load; the previous one stays in use", telemetry.Path(c.certFile), telemetry.Error(err))
}

// TLSFromFiles returns a server configuration with the certificate of two PEM files, read again when they change. TLS 1.2 is the least.
func TLSFromFiles(certFile, keyFile string, log *slog.Logger) (*tls.Config, error) {
	files, err := loadCertificateFiles(certFile, keyFile, log)
	if err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: files.certificate, MinVersion: tls.VersionTLS12}, nil
}
