// Package auth answers two questions: whose request is this, and may they do that.
//
// [Static] holds the access keys of the configuration. An unknown access key is looked up like a known one: it yields a secret that was drawn
// at random when the Static was made, so that a caller verifies the signature either way and takes the same path and time. [Principal.Allow] denies
// whatever no grant allows.
//
// It does not verify signatures (gateway/sigv4 does), knows no HTTP, and reads no configuration. Everything here is immutable once made and safe for
// concurrent use.
package auth

import (
	"crypto/rand"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"sallyport/config/secret"
)

// Action is what a request does, as far as permission to do it goes.
type Action int

// The actions that a grant can name. The zero value is no action and is never allowed.
const (
	None         Action = iota
	Read                // an object's bytes, headers and attributes
	Write               // make objects, and carry on with one's own uploads
	List                // names in a bucket
	Delete              // objects; with an unrestricted prefix also the bucket
	CreateBucket        // the bucket itself
	// SeeBucket is never granted by name: whoever may list anything in a bucket may know that it exists.
	SeeBucket
)

// ParseAction turns a configured word (read, write, list, delete, create-bucket) into an action.
func ParseAction(word string) (Action, error) {
	switch word {
	case "read":
		return Read, nil
	case "write":
		return Write, nil
	case "list":
		return List, nil
	case "delete":
		return Delete, nil
	case "create-bucket":
		return CreateBucket, nil
	}
	return None, fmt.Errorf("parse operation %q: want read, write, list, delete or create-bucket", word)
}

// String returns the configured word.
func (a Action) String() string {
	switch a {
	case Read:
		return "read"
	case Write:
		return "write"
	case List:
		return "list"
	case Delete:
		return "delete"
	case CreateBucket:
		return "create-bucket"
	case SeeBucket:
		return "see-bucket"
	default:
		return "none"
	}
}

// Grant allows actions on the keys that begin with one of Prefixes, in the buckets whose name matches one of Buckets.
type Grant struct {
	Buckets  []string // patterns as in path.Match: *, ?, [a-z]
	Prefixes []string // plain bytes, no pattern; "" is every key. None at all = every key
	Actions  []Action
}

// Credential is one access key with its secret and what it may do. No grants means it may do nothing.
type Credential struct {
	AccessKey string
	Secret    secret.String
	Allow     []Grant
}

// Principal is who signed a request.
type Principal struct {
	name   string
	grants []Grant
}

// Name identifies the principal in logs and binds uploads to who began them. It is the access key's id, which is no secret.
func (p *Principal) Name() string { return p.name }

// Allow reports whether the principal may do action on key in bucket. For List, key is the prefix asked for; for an action on a whole bucket it
// is "", which only a grant without a narrower prefix covers. SeeBucket and CreateBucket look at the bucket alone. A nil principal may do nothing.
func (p *Principal) Allow(action Action, bucket, key string) bool {
	if p == nil || bucket == "" {
		return false
	}
	for i := range p.grants {
		if p.grants[i].allows(action, bucket, key) {
			return true
		}
	}
	return false
}

// AllowSome reports whether the principal may do action on any key in bucket at all. A no is a no to every key; a yes is none to any.
func (p *Principal) AllowSome(action Action, bucket string) bool {
	if p == nil || bucket == "" {
		return false
	}
	for i := range p.grants {
		if p.grants[i].names(action) && p.grants[i].matchesBucket(bucket) {
			return true
		}
	}
	return false
}

func (g *Grant) allows(action Action, bucket, key string) bool {
	wanted := action
	anyKey := false
	switch action {
	case Read, Write, List, Delete:
	case CreateBucket:
		anyKey = true
	case SeeBucket:
		wanted, anyKey = List, true
	default:
		return false
	}
	return g.names(wanted) && g.matchesBucket(bucket) && (anyKey || g.matchesKey(key))
}

func (g *Grant) names(action Action) bool { return slices.Contains(g.Actions, action) }

func (g *Grant) matchesBucket(bucket string) bool {
	for _, pattern := range g.Buckets {
		if ok, err := path.Match(pattern, bucket); err == nil && ok {
			return true
		}
	}
	return false
}

func (g *Grant) matchesKey(key string) bool {
	if len(g.Prefixes) == 0 {
		return true
	}
	for _, prefix := range g.Prefixes {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// Static is a fixed set of credentials.
type Static struct {
	entries map[string]entry
	dummy   secret.String
}

type entry struct {
	secret    secret.String
	principal *Principal
}

// NewStatic checks the credentials and copies them. All that is wrong with them comes back in one error, and no secret is in it.
func NewStatic(credentials []Credential) (*Static, error) {
	s := &Static{entries: make(map[string]entry, len(credentials)), dummy: secret.NewString(rand.Text() + rand.Text())}
	var problems []error
	for i := range credentials {
		c := &credentials[i]
		if err := c.validate(); err != nil {
			problems = append(problems, fmt.Errorf("credential %d: %w", i, err))
			continue
		}
		if _, twice := s.entries[c.AccessKey]; twice {
			problems = append(problems, fmt.Errorf("credential %d: access key %q is there already", i, c.AccessKey))
			continue
		}
		s.entries[c.AccessKey] = entry{secret: c.Secret, principal: &Principal{name: c.AccessKey, grants: copyGrants(c.Allow)}}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return s, nil
}

// Lookup returns the secret to verify a signature with, and the principal; nil for an unknown access key, whose secret verifies nothing. Callers
// verify first and look at the principal afterwards.
func (s *Static) Lookup(accessKey string) (secret.String, *Principal) {
	e, ok := s.entries[accessKey]
	if !ok {
		return s.dummy, nil
	}
	return e.secret, e.principal
}

// Bounds of what an access key and a secret may be. AWS has 20 and 40 characters; the lower bounds are what MinIO and its tools accept.
const (
	minAccessKey = 3
	maxAccessKey = 128
	minSecret    = 8
)

func (c *Credential) validate() error {
	var problems []error
	if len(c.AccessKey) < minAccessKey || len(c.AccessKey) > maxAccessKey {
		problems = append(problems, fmt.Errorf("access key has %d characters: want %d to %d", len(c.AccessKey), minAccessKey, maxAccessKey))
	}
	// These separate the fields of a signed request, or would not survive a header.
	if i := strings.IndexFunc(c.AccessKey, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune("/,=&", r) }); i >= 0 {
		problems = append(problems, errors.New("access key: want visible ASCII without / , = &"))
	}
	if len(c.Secret.Reveal()) < minSecret {
		problems = append(problems, fmt.Errorf("secret key: want at least %d characters", minSecret))
	}
	for i := range c.Allow {
		if err := c.Allow[i].validate(); err != nil {
			problems = append(problems, fmt.Errorf("allow[%d]: %w", i, err))
		}
	}
	return errors.Join(problems...)
}

func (g *Grant) validate() error {
	var problems []error
	if len(g.Buckets) == 0 {
		problems = append(problems, errors.New(`buckets: none given (["*"] is every bucket)`))
	}
	for _, pattern := range g.Buckets {
		if _, err := path.Match(pattern, "x"); err != nil || pattern == "" {
			problems = append(problems, fmt.Errorf("buckets: pattern %q cannot be used", pattern))
		}
	}
	if len(g.Actions) == 0 {
		problems = append(problems, errors.New("ops: none given"))
	}
	for _, a := range g.Actions {
		if a < Read || a > CreateBucket {
			problems = append(problems, fmt.Errorf("ops: %v cannot be granted", a))
		}
	}
	return errors.Join(problems...)
}

func copyGrants(grants []Grant) []Grant {
	copied := make([]Grant, len(grants))
	for i, g := range grants {
		copied[i] = Grant{
			Buckets:  append([]string(nil), g.Buckets...),
			Prefixes: append([]string(nil), g.Prefixes...),
			Actions:  append([]Action(nil), g.Actions...),
		}
	}
	return copied
}
