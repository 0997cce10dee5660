package awslike

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/minio/crc64nvme"
)

// checksums by the name that ends their header, in base64.
var checksums = map[string]func([]byte) string{
	"crc64nvme": func(b []byte) string {
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, crc64nvme.Checksum(b)))
	},
	"crc32c": func(b []byte) string {
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
	},
}

// readBody reads a body and holds it to its length, its payload hash and its checksum.
func readBody(r *http.Request) ([]byte, *failure) {
	raw := make([]byte, max(0, r.ContentLength))
	_, err := io.ReadFull(r.Body, raw)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "IncompleteBody")
	}
	trailer := http.Header{}
	body := raw
	mode := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case strings.HasPrefix(mode, "STREAMING-"):
		if unsigned := strings.HasPrefix(mode, "STREAMING-UNSIGNED"); unsigned && proxied(r) || !unsigned && r.TLS != nil {
			return nil, refuse(http.StatusForbidden, "AccessDenied") // as the driver promises: signed where it could be changed, not over TLS
		}
		var ok bool
		if body, trailer, ok = dechunk(raw); !ok || strconv.Itoa(len(body)) != r.Header.Get("X-Amz-Decoded-Content-Length") {
			return nil, refuse(http.StatusBadRequest, "IncompleteBody")
		}
	case mode == "UNSIGNED-PAYLOAD":
		if proxied(r) && len(raw) > 0 {
			return nil, refuse(http.StatusForbidden, "AccessDenied")
		}
	default:
		sum := sha256.Sum256(raw)
		if mode != hex.EncodeToString(sum[:]) {
			return nil, refuse(http.StatusBadRequest, "XAmzContentSHA256Mismatch")
		}
	}
	for _, header := range []http.Header{r.Header, trailer} {
		for name, sum := range checksums {
			if want := header.Get("X-Amz-Checksum-" + name); want != "" && want != sum(body) {
				return nil, refuse(http.StatusBadRequest, "BadDigest")
			}
		}
	}
	if announced := r.Header.Get("X-Amz-Trailer"); announced != "" && trailer.Get(announced) == "" {
		return nil, refuse(http.StatusBadRequest, "MalformedTrailerError")
	}
	return body, nil
}

// proxied tells a request that came through a proxy, where a body could be changed on its way: it names the whole URL.
func proxied(r *http.Request) bool { return strings.HasPrefix(r.RequestURI, "http://") }

// dechunk undoes aws-chunked. Chunk signatures are not verified.
func dechunk(raw []byte) (body []byte, trailer http.Header, ok bool) {
	r := bufio.NewReader(bytes.NewReader(raw))
	trailer = http.Header{}
	body = make([]byte, 0, len(raw))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, nil, false
		}
		size, _, _ := strings.Cut(strings.TrimSpace(line), ";")
		n, err := strconv.ParseInt(size, 16, 64)
		if err != nil {
			return nil, nil, false
		}
		if n == 0 {
			break
		}
		if n < 0 || int64(len(body))+n > int64(cap(body)) {
			return nil, nil, false
		}
		body = body[:int64(len(body))+n]
		if _, err := io.ReadFull(r, body[int64(len(body))-n:]); err != nil {
			return nil, nil, false
		}
		if end, err := r.ReadString('\n'); err != nil || end != "\r\n" {
			return nil, nil, false
		}
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		return nil, nil, false
	}
	for line := range strings.SplitSeq(string(rest), "\n") {
		if name, value, found := strings.Cut(strings.TrimSpace(line), ":"); found {
			trailer.Set(name, value)
		}
	}
	return body, trailer, true
}

// hasChecksum reports whether a request tells a checksum.
func hasChecksum(r *http.Request) bool {
	if r.Header.Get("X-Amz-Trailer") != "" {
		return true
	}
	for name := range checksums {
		if r.Header.Get("X-Amz-Checksum-"+name) != "" {
			return true
		}
	}
	return false
}
