// Package history records what clients of an S3 service asked and were told, and checks with porcupine that it could have happened one
// request after the other, each between its call and its answer.
//
// A Plan is drawn from a seed: a few clients, each with its requests on a few keys. Run carries it out against a Target and records every
// attempt, retries too. History.Check holds each key to a register model: puts, gets, heads, lists of one key, deletes, writes and
// deletes under conditions, copies, and completions of uploads, each of which may take effect once. An attempt without a clear answer may
// have taken effect at any time after its call, or never. Answers that refuse (404, 409, 412) are results that must be true too.
//
// The same seed gives the same plan; how requests interleave is the target's and the scheduler's business. The package knows nothing of
// the product, so that it serves for a service in the same process as for one behind HTTP. It does not check that a copy reads and writes
// at one moment (S3 does not promise that), but for a copy of an object onto itself, nor lists of more than one key.
package history

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// Kind is what an operation does.
type Kind int

// The kinds of operations. Begin stores the one part of an upload and is not recorded, because nobody can see its effect.
const (
	Get Kind = iota
	Head
	List // of exactly one key
	Put
	Delete
	Copy
	Begin
	Complete
)

func (k Kind) String() string {
	return [...]string{"get", "head", "list", "put", "delete", "copy", "begin", "complete"}[k]
}

// Outcome is what an attempt's answer says.
type Outcome int

// The outcomes.
const (
	Done     Outcome = iota
	NotFound         // the key holds nothing
	NoUpload         // the upload is completed, or was never begun
	Refused          // a condition does not hold
	Conflict         // a concurrent change got in between; nothing was changed
	Failed           // surely nothing was changed, and nothing was learned
	Unknown          // no clear answer: carried out at any time after the call, or never
	Wrong            // an answer that no sequence of events permits; Detail says which
)

func (o Outcome) String() string {
	return [...]string{"done", "not found", "no upload", "refused", "conflict", "failed", "unknown", "WRONG"}[o]
}

// Seen is what a client was told that a key holds.
type Seen struct {
	Value string // "" = it was not shown the content
	ETag  string // without quotes
}

// Upload is an upload with its one part, which any client may complete.
type Upload struct {
	Number     int // from 1 within a history
	Key, Value string
	ID, ETag   string // as the target named upload and part
}

// Result is the answer to an attempt. A read that is Done has an ETag, and a Value if it saw the content.
type Result struct {
	Outcome     Outcome
	Value, ETag string
	Detail      string // for people
}

// Op is one attempt at one operation. A target reads it; the fields from Call on are the recorder's.
type Op struct {
	Client, Attempt int
	Endpoint        int
	Kind            Kind
	Key             string
	Value           string // Put and Complete: what is stored; Body makes the bytes
	IfNoneMatch     bool   // Put, Copy, Complete: only where nothing is
	IfMatch         *Seen  // Put, Delete, Complete: only over this
	Source          string // Copy
	SourceIfMatch   *Seen  // Copy
	Upload          *Upload

	Call, Return int64 // steps of a clock that counts calls and answers
	Result       Result
}

// Ranged says that a Get is to ask for the whole object as a range, for which servers do other things than for a plain read. Every other client does.
func (o *Op) Ranged() bool { return o.Kind == Get && o.Client%2 == 1 }

// String is a line of a report.
func (o *Op) String() string {
	var b strings.Builder
	until := strconv.FormatInt(o.Return, 10)
	if o.Result.Outcome == Unknown {
		until = "∞"
	}
	fmt.Fprintf(&b, "%4d–%-4s client %d at %d: ", o.Call, until, o.Client, o.Endpoint)
	b.WriteString(o.request())
	fmt.Fprintf(&b, " → %s", o.answer())
	if o.Attempt > 0 {
		fmt.Fprintf(&b, " (retry %d)", o.Attempt)
	}
	return b.String()
}

func (o *Op) request() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", o.Kind, o.Key)
	if o.Ranged() {
		b.WriteString(" as a range")
	}
	if o.Source != "" {
		fmt.Fprintf(&b, " from %s", o.Source)
	}
	if o.Value != "" {
		fmt.Fprintf(&b, " := %s", o.Value)
	}
	if o.Upload != nil {
		fmt.Fprintf(&b, " upload %d", o.Upload.Number)
	}
	if o.IfNoneMatch {
		b.WriteString(" if absent")
	}
	if o.IfMatch != nil {
		fmt.Fprintf(&b, " if %s", o.IfMatch)
	}
	if o.SourceIfMatch != nil {
		fmt.Fprintf(&b, " if the source is %s", o.SourceIfMatch)
	}
	return b.String()
}

func (o *Op) answer() string {
	words := []string{o.Result.Outcome.String(), o.Result.Value, shorten(o.Result.ETag), o.Result.Detail}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

func (s *Seen) String() string { return strings.TrimSpace(s.Value + " " + shorten(s.ETag)) }

func shorten(etag string) string {
	if len(etag) <= 10 {
		return etag
	}
	return etag[:6] + "…" + etag[len(etag)-2:]
}

// changes reports whether the operation may change its key.
func (o *Op) changes() bool {
	switch o.Kind {
	case Put, Delete, Copy, Complete:
		return true
	case Get, Head, List, Begin:
	}
	return false
}

// valueOf names a content of so many bytes that nothing else in the history has.
func valueOf(client, n, size int) string { return fmt.Sprintf("c%d.%d/%d", client, n, size) }

// Mark stands in every body that has room for it, so that a body can be recognised where it must not be.
const Mark = "canary-of-the-histories-qk3v7t2m"

// Body makes the bytes of a value, at least as many as its name has.
func Body(value string) []byte {
	_, digits, _ := strings.Cut(value, "/")
	size, err := strconv.Atoi(digits)
	if err != nil {
		panic("history: internal error: value without size: " + value)
	}
	body := make([]byte, max(size, len(value)+1))
	n := copy(body, value+"\n")
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(value))).Read(body[n:]) // it cannot fail
	if len(body)-n > 2*len(Mark) {
		copy(body[n:], Mark)
	}
	return body
}

// ValueOf returns the value whose body b is, whole and unchanged; false if it is none's.
func ValueOf(b []byte) (string, bool) {
	name, _, ok := bytes.Cut(b[:min(len(b), 100)], []byte("\n"))
	_, digits, sized := strings.Cut(string(name), "/")
	size, err := strconv.Atoi(digits)
	if !ok || !sized || err != nil || size > len(b) {
		return "", false
	}
	return string(name), bytes.Equal(b, Body(string(name)))
}

// plainETag and uploadETag are the ETags of a value where they are S3's: MD5 of the content, and of the list of one part.
func plainETag(value string) string {
	sum := md5.Sum(Body(value))
	return hex.EncodeToString(sum[:])
}

func uploadETag(value string) string {
	part := md5.Sum(Body(value))
	sum := md5.Sum(part[:])
	return hex.EncodeToString(sum[:]) + "-1"
}
