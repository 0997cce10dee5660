package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"
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

// MachineNames returns what other machines may call this one: its host name and the addresses of its interfaces, loopback ones last. What the
// system does not tell is left out.
func MachineNames() []string {
	var names, loopback []string
	if host, err := os.Hostname(); err == nil && isCertifiable(host) {
		names = append(names, strings.ToLower(host))
	}
	addresses, _ := net.InterfaceAddrs() // none, when the system does not tell
	for _, a := range addresses {
		network, ok := a.(*net.IPNet)
		switch {
		case !ok:
		case network.IP.IsLoopback():
			loopback = append(loopback, network.IP.String())
		default:
			names = append(names, network.IP.String())
		}
	}
	return append(names, loopback...)
}

// isCertifiable reports whether a host name can stand in a certificate.
func isCertifiable(host string) bool {
	template := x509.Certificate{DNSNames: []string{host}}
	return template.VerifyHostname(host) == nil
}

// ReachableURL returns an address of the socket that other machines can use and its certificate names: when it listens on every address, the
// first of this machine's that is neither loopback nor link-local, IPv4 before IPv6. Without any, and otherwise, it is as URL.
func (s *Socket) ReachableURL() string {
	tcp, ok := s.Addr().(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return s.URL()
	}
	return fmt.Sprintf("%s://%s", s.scheme, net.JoinHostPort(reachable(MachineNames()), fmt.Sprint(tcp.Port)))
}

// reachable picks an address from the names of a machine.
func reachable(names []string) string {
	best := "127.0.0.1"
	for _, name := range names {
		ip := net.ParseIP(name)
		if ip == nil || !ip.IsGlobalUnicast() {
			continue
		}
		if ip.To4() != nil {
			return name
		}
		if best == "127.0.0.1" {
			best = name
		}
	}
	return best
}
