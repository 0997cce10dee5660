package gateway

import (
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"sallyport/gateway/telemetry"
)

// issuedCertificate serves a certificate of an authority and has the next one issued in good time: halfway through its life, and when
// somebody connects to an address of this machine that it does not name. Safe for concurrent use.
type issuedCertificate struct {
	authority *Authority
	names     func() []string
	now       func() time.Time
	log       *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	renewAt time.Time
}

// TLS returns a server configuration with a certificate for this machine's name and addresses and for hosts, which may be empty. It is issued
// anew while the process runs, long before it ends. TLS 1.2 is the least.
func (a *Authority) TLS(log *slog.Logger, hosts ...string) (*tls.Config, error) {
	c := &issuedCertificate{authority: a, now: time.Now, log: log, names: func() []string { return slices.Concat(MachineNames(), hosts) }}
	if err := c.issue(); err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: c.certificate, MinVersion: tls.VersionTLS12}, nil
}

// issue replaces the current certificate by one that also names more.
func (c *issuedCertificate) issue(more ...string) error {
	now := c.now()
	leaf, err := c.authority.Issue(now, slices.Concat(c.names(), more)...)
	if err != nil {
		return err
	}
	c.current, c.renewAt = leaf, now.Add(leafLifetime/2)
	return nil
}

// certificate is a tls.Config.GetCertificate.
func (c *issuedCertificate) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var address []string
	if ip := localAddress(hello); ip != "" && c.current.Leaf.VerifyHostname(ip) != nil {
		address = []string{ip}
	}
	if address == nil && c.now().Before(c.renewAt) {
		return c.current, nil
	}
	if err := c.issue(address...); err != nil {
		c.log.Warn("a new TLS certificate cannot be issued; the previous one stays in use", telemetry.Error(err))
	}
	return c.current, nil
}

// localAddress returns the address that the client connected to; "" when it is not known.
func localAddress(hello *tls.ClientHelloInfo) string {
	if hello == nil || hello.Conn == nil {
		return ""
	}
	if tcp, ok := hello.Conn.LocalAddr().(*net.TCPAddr); ok {
		return tcp.IP.String()
	}
	return ""
}
