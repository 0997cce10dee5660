package driver

import (
	"errors"
	"fmt"
	"time"
)

// Kind classifies a failure. The driver classifies, because only it knows; every layer above decides by Kind alone. Values are
// appended and never renumbered, because they stand in metrics.
type Kind int

// The kinds. Internal is the zero value so that an unclassified error never reads as something milder.
const (
	Internal           Kind = iota
	NotFound                // the key holds no object
	PreconditionFailed      // IfMatch or IfNoneMatch did not hold; nothing was changed
	Conflict                // a concurrent change got in between; nothing was changed, the same call may succeed
	InvalidKey              // the backend cannot hold exactly this key; nothing was changed
	InvalidRange            // the range does not overlap the object
	TooLarge                // above MaxObject, MaxPart or a note's 16 KiB
	NoSuchUpload            // the upload id is unknown, aborted or completed
	InvalidPart             // a part named to Complete is absent or has another ETag
	Unsupported             // the backend lacks the ability; nothing was changed
	Unauthenticated         // the backend does not accept our credentials
	Denied                  // the credentials are accepted and do not permit this
	Throttled               // slow down, RetryAfter may say for how long
	Unavailable             // a passing failure; the same call may succeed
	UnknownOutcome          // the change may or may not have happened, or may not last; whole either way
	NoSpace                 // no room or quota; nothing was changed
	ReadOnly                // the backend accepts no writes at present
	Corrupt                 // the backend contradicts itself: a cut answer, a lost part, a wrong length
	Canceled                // ctx ended first
	BadBody                 // the body handed in failed, ended early or ran longer, its error is in the tree; nothing was changed
)

var kindNames = [...]string{
	"internal error", "not found", "precondition failed", "conflict", "invalid key", "invalid range", "too large", "no such upload",
	"invalid part", "unsupported", "unauthenticated", "denied", "throttled", "unavailable", "unknown outcome", "no space", "read-only",
	"corrupt", "canceled", "bad body",
}

// String returns the kind in words, or "kind N" for a number this build does not know.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind %d", int(k))
	}
	return kindNames[k]
}

// Error is the only error type that leaves a driver. Its text is for operators: Key is a backend key, never shown to S3 clients.
type Error struct {
	Kind       Kind
	Op         string        // the method, such as "Put"
	Provider   string        // the provider's configured name; set by providers.Store
	Key        string        // the backend key, when one is concerned
	RetryAfter time.Duration // 0 = the backend did not say
	Err        error         // the cause, may be nil
}

// Error returns "provider: op key: kind: cause", leaving out what is empty.
func (e *Error) Error() string {
	s := e.Op
	if e.Provider != "" {
		s = e.Provider + ": " + s
	}
	if e.Key != "" {
		s += fmt.Sprintf(" %q", e.Key)
	}
	s += ": " + e.Kind.String()
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the first *Error in err's tree, and Internal when there is none. KindOf(nil) panics: success has no kind.
func KindOf(err error) Kind {
	if err == nil {
		panic("driver: internal error: KindOf(nil)")
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err is a driver error of kind k.
func Is(err error, k Kind) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Kind == k
}
