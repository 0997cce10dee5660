package gateway

import (
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"
)

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
