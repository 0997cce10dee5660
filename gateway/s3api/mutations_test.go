package s3api

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// listHeader is sent on two lines.
const listHeader = "X-Amz-Meta-List"

// mutable is a request in the pieces that a mutation takes hold of, as they go over the wire.
type mutable struct {
	method, path string
	query        []string // name=value, encoded
	headers      [][2]string
	body         []byte
	chunks       [][]byte // of a framed body instead of body; the last holds the trailers too
	presigned    bool
}

func (m *mutable) clone() *mutable {
	c := *m
	c.query, c.headers, c.body = slices.Clone(m.query), slices.Clone(m.headers), slices.Clone(m.body)
	c.chunks = nil
	for _, chunk := range m.chunks {
		c.chunks = append(c.chunks, slices.Clone(chunk))
	}
	return &c
}

// wire returns the request's bytes. Content-Length, which nobody signs here, is set right.
func (m *mutable) wire() []byte {
	var w bytes.Buffer
	target := m.path
	if len(m.query) > 0 {
		target += "?" + strings.Join(m.query, "&")
	}
	body := m.body
	if m.chunks != nil {
		body = bytes.Join(m.chunks, nil)
	}
	fmt.Fprintf(&w, "%s %s HTTP/1.1\r\n", m.method, target)
	for _, h := range m.headers {
		w.WriteString(h[0] + ":" + h[1] + "\r\n")
	}
	fmt.Fprintf(&w, "Content-Length: %d\r\n\r\n", len(body))
	w.Write(body)
	return w.Bytes()
}

// mutation changes one thing. It returns false if the request has no such thing.
type mutation struct {
	name     string
	harmless bool // what the signature binds stays, so the request must still be accepted
	apply    func(rnd *rand.Rand, m *mutable) bool
}

func mutations() []mutation {
	return slices.Concat(targetMutations(), headerMutations(), authorizationMutations(), bodyMutations())
}

// oneByte changes, inserts or removes a byte.
func oneByte(rnd *rand.Rand, text string) string {
	const likely = "/%+&=;,: \t\"'.-_~aAzZ019?#\\\x00\x7f\xc3\xa9"
	b := likely[rnd.IntN(len(likely))]
	if rnd.IntN(3) == 0 {
		b = byte(rnd.IntN(256))
	}
	at := rnd.IntN(len(text) + 1)
	switch rnd.IntN(4) {
	case 0:
		return text[:at] + string([]byte{b}) + text[at:]
	case 1:
		if at < len(text) {
			return text[:at] + text[at+1:]
		}
	case 2:
		if at < len(text) { // the other case, or a neighbour
			return text[:at] + string([]byte{text[at] ^ 0x20}) + text[at+1:]
		}
	}
	if at == len(text) {
		return text + string([]byte{b})
	}
	return text[:at] + string([]byte{b}) + text[at+1:]
}

// pick returns a random place in a list that satisfies want, or false.
func pick[T any](rnd *rand.Rand, list []T, want func(T) bool) (int, bool) {
	var places []int
	for i, v := range list {
		if want == nil || want(v) {
			places = append(places, i)
		}
	}
	if len(places) == 0 {
		return 0, false
	}
	return places[rnd.IntN(len(places))], true
}

func targetMutations() []mutation {
	inQuery := func(change func(rnd *rand.Rand, name, value string) string) func(*rand.Rand, *mutable) bool {
		return func(rnd *rand.Rand, m *mutable) bool {
			i, ok := pick(rnd, m.query, nil)
			if ok {
				name, value, _ := strings.Cut(m.query[i], "=")
				m.query[i] = change(rnd, name, value)
			}
			return ok
		}
	}
	return []mutation{
		{"method", false, func(rnd *rand.Rand, m *mutable) bool {
			others := []string{"GET", "PUT", "POST", "HEAD", "DELETE", "get", "Put", "PATCH", "OPTIONS", oneByte(rnd, m.method)}
			m.method = others[rnd.IntN(len(others))]
			return true
		}},
		{"path byte", false, func(rnd *rand.Rand, m *mutable) bool {
			m.path = "/" + oneByte(rnd, m.path[1:])
			return true
		}},
		{"path segment", false, func(rnd *rand.Rand, m *mutable) bool {
			cut := strings.Index(m.path[1:], "/") + 1
			m.path = []string{m.path + "/..", m.path[:cut] + "/." + m.path[cut:], m.path[:cut] + "/" + m.path[cut:], m.path + "/", "/x/.." + m.path}[rnd.IntN(5)]
			return true
		}},
		{"path spelling", true, func(rnd *rand.Rand, m *mutable) bool {
			at := 1 + rnd.IntN(len(m.path)-1)
			if strings.ContainsAny(m.path[max(0, at-2):at+1], "%/") {
				return false
			}
			m.path = m.path[:at] + fmt.Sprintf([]string{"%%%02X", "%%%02x"}[rnd.IntN(2)], m.path[at]) + m.path[at+1:]
			return true
		}},
		{"query name", false, inQuery(func(rnd *rand.Rand, name, value string) string { return oneByte(rnd, name) + "=" + value })},
		{"query value", false, inQuery(func(rnd *rand.Rand, name, value string) string { return name + "=" + oneByte(rnd, value) })},
		{"query order", true, func(rnd *rand.Rand, m *mutable) bool {
			rnd.Shuffle(len(m.query), func(i, j int) { m.query[i], m.query[j] = m.query[j], m.query[i] })
			return len(m.query) > 1
		}},
		{"query repeated", false, func(rnd *rand.Rand, m *mutable) bool {
			i, ok := pick(rnd, m.query, nil)
			if ok {
				again := m.query[i]
				if rnd.IntN(2) == 0 {
					again = oneByte(rnd, again)
				}
				m.query = slices.Insert(m.query, rnd.IntN(len(m.query)+1), again)
			}
			return ok
		}},
		{"query dropped", false, func(rnd *rand.Rand, m *mutable) bool {
			i, ok := pick(rnd, m.query, nil)
			if ok {
				m.query = slices.Delete(m.query, i, i+1)
			}
			return ok
		}},
		{"query added", false, func(rnd *rand.Rand, m *mutable) bool {
			more := []string{
				"versionId=1", "uploads", "acl", "delete", "partNumber=1", "x-amz-acl=public-read", "X-Amz-Security-Token=x", "X-Amz-Expires=9999", "x-id=x",
				"X-Amz-Algorithm=AWS4-HMAC-SHA256", "AWSAccessKeyId=x", "response-content-type=x", "a=b",
			}
			m.query = slices.Insert(m.query, rnd.IntN(len(m.query)+1), more[rnd.IntN(len(more))])
			return true
		}},
	}
}

func headerMutations() []mutation {
	at := func(change func(rnd *rand.Rand, m *mutable, i int) bool) func(*rand.Rand, *mutable) bool {
		return func(rnd *rand.Rand, m *mutable) bool { return change(rnd, m, rnd.IntN(len(m.headers))) }
	}
	return []mutation{
		{"header name", false, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			m.headers[i][0] = oneByte(rnd, m.headers[i][0])
			return true
		})},
		{"header value", false, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			m.headers[i][1] = oneByte(rnd, m.headers[i][1])
			return true
		})},
		{"header order", true, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			j := rnd.IntN(len(m.headers))
			m.headers[i], m.headers[j] = m.headers[j], m.headers[i]
			return m.headers[i][0] != listHeader && m.headers[j][0] != listHeader // whose values have an order
		})},
		{"header values in another order", false, func(_ *rand.Rand, m *mutable) bool {
			for i := 1; i < len(m.headers); i++ {
				if m.headers[i][0] == m.headers[i-1][0] {
					m.headers[i], m.headers[i-1] = m.headers[i-1], m.headers[i]
					return true
				}
			}
			return false
		}},
		{"header repeated", false, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			again := m.headers[i]
			if rnd.IntN(2) == 0 {
				again[1] = oneByte(rnd, again[1])
			}
			m.headers = slices.Insert(m.headers, rnd.IntN(len(m.headers)+1), again)
			return true
		})},
		{"header dropped", false, at(func(_ *rand.Rand, m *mutable, i int) bool {
			m.headers = slices.Delete(m.headers, i, i+1)
			return true
		})},
		{"header blanks", true, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			m.headers[i][1] = strings.Repeat(" ", rnd.IntN(3)) + m.headers[i][1] + strings.Repeat("\t", rnd.IntN(2)) + strings.Repeat(" ", rnd.IntN(3))
			return true
		})},
		{"header inner blanks", true, func(rnd *rand.Rand, m *mutable) bool {
			i, ok := pick(rnd, m.headers, func(h [2]string) bool { return strings.HasPrefix(h[0], "X-Amz-Meta-") && strings.Contains(h[1], " ") })
			if ok {
				m.headers[i][1] = strings.ReplaceAll(m.headers[i][1], " ", strings.Repeat(" ", 2+rnd.IntN(3)))
			}
			return ok
		}},
		{"header folded", false, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			cut := rnd.IntN(len(m.headers[i][1]) + 1)
			m.headers[i][1] = m.headers[i][1][:cut] + []string{"\r\n ", "\r\n\t", "\n ", "\r\n"}[rnd.IntN(4)] + m.headers[i][1][cut:]
			return true
		})},
		{"header name's case", true, at(func(rnd *rand.Rand, m *mutable, i int) bool {
			m.headers[i][0] = []func(string) string{strings.ToLower, strings.ToUpper}[rnd.IntN(2)](m.headers[i][0])
			return true
		})},
		{"x-amz header added", false, func(rnd *rand.Rand, m *mutable) bool {
			more := []string{
				"X-Amz-Acl:public-read", "X-Amz-Copy-Source:/bucket/kept", "X-Amz-Meta-New:1", "x-amz-meta-a:1", "X-Amz-Security-Token:x", "X-Amz-Content-Sha256:UNSIGNED-PAYLOAD",
				"X-Amz-Content-Sha256:STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Server-Side-Encryption-Customer-Key:x", "X-Amz-Date:20200101T000000Z", "X-Amz-Decoded-Content-Length:0",
				"X-Amz-Trailer:x-amz-checksum-crc32", "X_Amz_Acl:private", "X-Amz-Storage-Class:STANDARD", "X-Amz-Checksum-Crc32:AAAAAA==",
			}
			name, value, _ := strings.Cut(more[rnd.IntN(len(more))], ":")
			m.headers = slices.Insert(m.headers, rnd.IntN(len(m.headers)+1), [2]string{name, value})
			return true
		}},
		{"other header added", true, func(rnd *rand.Rand, m *mutable) bool {
			more := [][2]string{{"User-Agent", "x"}, {"X-Other", "1"}, {"Accept", "*/*"}, {"X-Forwarded-For", "192.0.2.7"}, {"Amz-Sdk-Request", "attempt=2; max=3"}}
			m.headers = slices.Insert(m.headers, rnd.IntN(len(m.headers)+1), more[rnd.IntN(len(more))])
			return true
		}},
	}
}

// edit changes a field of the authentication, wherever the request carries it.
func (m *mutable) edit(field string, change func(value string) string) bool {
	if m.presigned {
		for i, p := range m.query {
			if value, ok := strings.CutPrefix(p, "X-Amz-"+field+"="); ok {
				m.query[i] = "X-Amz-" + field + "=" + change(value)
				return true
			}
		}
		return false
	}
	for i, h := range m.headers {
		if field == "Date" && h[0] == "X-Amz-Date" {
			m.headers[i][1] = change(h[1])
			return true
		}
		before, after, found := strings.Cut(h[1], field+"=")
		if h[0] != "Authorization" || !found {
			continue
		}
		value, rest, more := strings.Cut(after, ", ")
		if more {
			rest = ", " + rest
		}
		m.headers[i][1] = before + field + "=" + change(value) + rest
		return true
	}
	return false
}

func authorizationMutations() []mutation {
	part := func(n int) mutation {
		return mutation{fmt.Sprintf("credential, part %d", n), false, func(rnd *rand.Rand, m *mutable) bool {
			return m.edit("Credential", func(v string) string {
				slash := map[bool]string{true: "%2F", false: "/"}[m.presigned]
				parts := strings.Split(v, slash)
				parts[n] = []string{oneByte(rnd, parts[n]), "", "us-west-2", "20200101", "AKIASECONDSECONDSECO"}[rnd.IntN(5)]
				return strings.Join(parts, slash)
			})
		}}
	}
	digit := func(rnd *rand.Rand, v string) string {
		at := rnd.IntN(len(v))
		return v[:at] + strconv.Itoa(rnd.IntN(10)) + v[at+1:]
	}
	return []mutation{
		part(0), part(1), part(2), part(3), part(4),
		{"date", false, func(rnd *rand.Rand, m *mutable) bool {
			return m.edit("Date", func(v string) string { return digit(rnd, v) })
		}},
		{"date and scope", false, func(rnd *rand.Rand, m *mutable) bool {
			var day string
			return m.edit("Date", func(v string) string {
				day = v[:8]
				return digit(rnd, v[:8]) + v[8:]
			}) && m.edit("Credential", func(v string) string { return strings.ReplaceAll(v, day, digit(rnd, day)) })
		}},
		{"expiry", false, func(rnd *rand.Rand, m *mutable) bool {
			return m.presigned && m.edit("Expires", func(v string) string { return oneByte(rnd, v) })
		}},
		{"signed headers", false, func(rnd *rand.Rand, m *mutable) bool {
			return m.edit("SignedHeaders", func(v string) string {
				semicolon := map[bool]string{true: "%3B", false: ";"}[m.presigned]
				names := strings.Split(v, semicolon)
				i := rnd.IntN(len(names))
				switch rnd.IntN(6) {
				case 0:
					names = slices.Delete(names, i, i+1)
				case 1:
					names = slices.Insert(names, i, []string{"content-type", "content-length", "date", "x-amz-acl", "x-none", ""}[rnd.IntN(6)])
				case 2:
					names = append(names, names[i])
				case 3:
					names[i] = strings.ToUpper(names[i])
				case 4:
					slices.Reverse(names)
				default:
					names[i] = oneByte(rnd, names[i])
				}
				return strings.Join(names, semicolon)
			})
		}},
		{"signature", false, func(rnd *rand.Rand, m *mutable) bool {
			return m.edit("Signature", func(v string) string {
				const digits = "0123456789abcdef"
				at := rnd.IntN(len(v))
				return []string{v[:at] + string(digits[rnd.IntN(16)]) + v[at+1:], strings.ToUpper(v), v[:at], v + v[:2], oneByte(rnd, v), strings.Repeat("0", 64), ""}[rnd.IntN(7)]
			})
		}},
		{"payload hash", false, func(rnd *rand.Rand, m *mutable) bool {
			i, ok := pick(rnd, m.headers, func(h [2]string) bool { return h[0] == "X-Amz-Content-Sha256" })
			if ok {
				v := m.headers[i][1]
				m.headers[i][1] = []string{
					oneByte(rnd, v), strings.ToUpper(v), hexSHA(nil), "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
					"STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "",
				}[rnd.IntN(8)]
			}
			return ok
		}},
		{"two kinds of authentication", false, func(rnd *rand.Rand, m *mutable) bool {
			if m.presigned {
				m.headers = append(m.headers, [2]string{"Authorization", "AWS4-HMAC-SHA256 Credential=a/20261123/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + hexSHA(nil)})
				return true
			}
			m.query = append(m.query, []string{"X-Amz-Signature=" + hexSHA(nil), "X-Amz-Credential=x", "Signature=x&Expires=1"}[rnd.IntN(3)])
			return true
		}},
	}
}

func bodyMutations() []mutation {
	framed := func(change func(rnd *rand.Rand, m *mutable) bool) func(*rand.Rand, *mutable) bool {
		return func(rnd *rand.Rand, m *mutable) bool { return m.chunks != nil && change(rnd, m) }
	}
	inChunk := func(change func(rnd *rand.Rand, head, rest string) string) func(*rand.Rand, *mutable) bool {
		return framed(func(rnd *rand.Rand, m *mutable) bool {
			i := rnd.IntN(len(m.chunks))
			head, rest, _ := strings.Cut(string(m.chunks[i]), "\r\n")
			m.chunks[i] = []byte(change(rnd, head, "\r\n"+rest))
			return true
		})
	}
	return []mutation{
		{"body byte", false, func(rnd *rand.Rand, m *mutable) bool {
			m.body = []byte(oneByte(rnd, string(m.body)))
			return m.chunks == nil
		}},
		{"chunk size", false, inChunk(func(rnd *rand.Rand, head, rest string) string {
			size, signature, _ := strings.Cut(head, ";")
			return []string{oneByte(rnd, size), "0" + size, "1" + size, "0", strings.ToUpper(size)}[rnd.IntN(5)] + ";" + signature + rest
		})},
		{"chunk signature", false, inChunk(func(rnd *rand.Rand, head, rest string) string {
			size, signature, _ := strings.Cut(head, ";")
			return size + ";" + oneByte(rnd, signature) + rest
		})},
		{"chunk bytes", false, inChunk(func(rnd *rand.Rand, head, rest string) string { return head + oneByte(rnd, rest) })},
		{"chunks in another order", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			i, j := rnd.IntN(len(m.chunks)), rnd.IntN(len(m.chunks))
			m.chunks[i], m.chunks[j] = m.chunks[j], m.chunks[i]
			return i != j
		})},
		{"chunk dropped", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			i := rnd.IntN(len(m.chunks))
			m.chunks = slices.Delete(m.chunks, i, i+1)
			return true
		})},
		{"chunk repeated", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			i := rnd.IntN(len(m.chunks))
			m.chunks = slices.Insert(m.chunks, i, m.chunks[i])
			return true
		})},
		{"body cut", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			body := bytes.Join(m.chunks, nil)
			m.chunks = [][]byte{body[:rnd.IntN(len(body))]}
			return true
		})},
		{"body extended", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			more := []string{"\r\n", "x", "0\r\n\r\n", string(m.chunks[len(m.chunks)-1]), "x-amz-checksum-crc32:AAAAAA==\r\n"}
			m.chunks = append(m.chunks, []byte(more[rnd.IntN(len(more))]))
			return true
		})},
		{"trailer", false, framed(func(rnd *rand.Rand, m *mutable) bool {
			last := len(m.chunks) - 1
			lines := strings.SplitAfter(string(m.chunks[last]), "\r\n") // size, trailers, their signature, empty
			if len(lines) < 5 {
				return false
			}
			i := 1 + rnd.IntN(len(lines)-3)
			name, value, _ := strings.Cut(lines[i], ":")
			switch rnd.IntN(7) {
			case 0:
				lines = slices.Delete(lines, i, i+1)
			case 1:
				lines = slices.Insert(lines, i, lines[i])
			case 2:
				lines = slices.Insert(lines, i, "x-amz-meta-late:1\r\n")
			case 3:
				lines[i] = oneByte(rnd, name) + ":" + value
			case 4:
				lines[1], lines[2] = lines[2], lines[1]
			case 5:
				lines[i] = strings.ToUpper(name) + ":" + value
			default:
				lines[i] = name + ":" + oneByte(rnd, value)
			}
			m.chunks[last] = []byte(strings.Join(lines, ""))
			return true
		})},
	}
}
