package s3api

import (
	"crypto/md5" //nolint:gosec // S3 names a customer key by its MD5; nothing here trusts it.
	"crypto/subtle"
	"encoding/base64"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"sallyport/gateway/objects"
)

// The headers of SSE-C, and of the key for a copy's source.
const (
	customerPrefix       = "X-Amz-Server-Side-Encryption-Customer-"
	sourceCustomerPrefix = "X-Amz-Copy-Source-Server-Side-Encryption-Customer-"
)

// customerKey is a client's key with what the answer echoes: the algorithm, and the MD5 by which the client knows it is the key it meant.
type customerKey struct {
	key *objects.CustomerKey
	md5 string
}

// value returns the key for package objects; nil if none was sent.
func (k *customerKey) value() *objects.CustomerKey {
	if k == nil {
		return nil
	}
	return k.key
}

// echo tells the client that its key was used, so that it knows that the ETag is no MD5.
func (k *customerKey) echo(h http.Header) {
	if k != nil {
		h.Set(customerPrefix+"Algorithm", "AES256")
		h.Set(customerPrefix+"Key-Md5", k.md5)
	}
}

// parseCustomerKey reads one triple of key headers. No header at all is no key; an incomplete, empty or wrong triple is an error that names the header
// and never shows the key. secure says whether the request came by a way on which a key may travel.
func parseCustomerKey(h http.Header, prefix string, secure bool) (*customerKey, error) {
	algorithm, encoded, sum := h.Get(prefix+"Algorithm"), h.Get(prefix+"Key"), h.Get(prefix+"Key-Md5")
	if !hasAny(h, prefix+"Algorithm", prefix+"Key", prefix+"Key-Md5") {
		return nil, nil
	}
	if !secure {
		return nil, refuse("InvalidRequest", "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	}
	name := strings.ToLower(prefix)
	switch {
	case algorithm == "":
		return nil, refuse("InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.").
			with("ArgumentName", name+"algorithm")
	case algorithm != "AES256":
		return nil, refuse("InvalidEncryptionAlgorithmError", "The encryption request you specified is not valid. Supported value: AES256.").
			with("ArgumentName", name+"algorithm").with("ArgumentValue", algorithm)
	case encoded == "":
		return nil, refuse("InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.").
			with("ArgumentName", name+"key")
	case sum == "":
		return nil, refuse("InvalidArgument", "Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.").
			with("ArgumentName", name+"key-md5")
	}
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 32 {
		return nil, refuse("InvalidArgument", "The secret key was invalid for the specified algorithm.").with("ArgumentName", name+"key")
	}
	defer clear(raw)
	digest := md5.Sum(raw) //nolint:gosec // see the import.
	want, err := base64.StdEncoding.DecodeString(sum)
	if err != nil || subtle.ConstantTimeCompare(want, digest[:]) != 1 {
		return nil, refuse("InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided.").with("ArgumentName", name+"key-md5")
	}
	key, err := objects.ParseCustomerKey(raw)
	if err != nil {
		return nil, refuse("InvalidArgument", "The secret key was invalid for the specified algorithm.").with("ArgumentName", name+"key")
	}
	return &customerKey{key: key, md5: base64.StdEncoding.EncodeToString(digest[:])}, nil
}

// hasAny reports whether one of the headers is there. An empty one is: its sender asked for a key and must not get an object without it.
func hasAny(h http.Header, names ...string) bool {
	for _, name := range names {
		if _, present := h[name]; present {
			return true
		}
	}
	return false
}

// secureTransport reports whether a key may travel on this request's connection: TLS, the machine's own loopback, or TLS up to a proxy that
// the operator listed. X-Forwarded-Proto of anyone else means nothing.
func secureTransport(r *http.Request, trusted []netip.Prefix) bool {
	if r.TLS != nil {
		return true
	}
	peer, ok := peerAddress(r.RemoteAddr)
	if !ok {
		return false
	}
	for _, network := range trusted {
		if network.Contains(peer) {
			forwarded := r.Header.Values("X-Forwarded-Proto")
			return len(forwarded) == 1 && strings.EqualFold(strings.TrimSpace(forwarded[0]), "https")
		}
	}
	return peer.IsLoopback()
}

func peerAddress(remote string) (netip.Addr, bool) {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return netip.Addr{}, false
	}
	addr, err := netip.ParseAddr(host)
	return addr.Unmap().WithZone(""), err == nil
}

// customerKey reads the request's SSE-C key.
func (c *call) customerKey() (*customerKey, error) {
	return parseCustomerKey(c.headers, customerPrefix, secureTransport(c.r, c.h.proxies))
}

// echoEncryption tells the client what it asked for about encryption and got.
func (c *call) echoEncryption(key *customerKey) {
	key.echo(c.w.Header())
	if c.headers.Get("X-Amz-Server-Side-Encryption") != "" {
		c.w.Header().Set("X-Amz-Server-Side-Encryption", "AES256")
	}
}
