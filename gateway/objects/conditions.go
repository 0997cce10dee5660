package objects

import (
	"slices"
	"time"

	"sallyport/providers"
)

func (c *ReadConditions) any() bool {
	return len(c.IfMatch) > 0 || len(c.IfNoneMatch) > 0 || !c.IfModifiedSince.IsZero() || !c.IfUnmodifiedSince.IsZero()
}

// check evaluates the conditions of a GET or HEAD in the order of RFC 9110 section 13.2.2, which is S3's: If-Match decides over
// If-Unmodified-Since, If-None-Match over If-Modified-Since. A copy's source answers PreconditionFailed where a read answers NotModified.
func (c *ReadConditions) check(etag string, modified time.Time, source bool) error {
	modified = wholeSeconds(modified)
	switch {
	case len(c.IfMatch) > 0:
		if !matchesAny(c.IfMatch, etag) {
			return refuse(PreconditionFailed, "the object's ETag does not match")
		}
	case !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince):
		return refuse(PreconditionFailed, "the object was modified since")
	}
	unchanged := false
	switch {
	case len(c.IfNoneMatch) > 0:
		unchanged = matchesAny(c.IfNoneMatch, etag)
	case !c.IfModifiedSince.IsZero():
		unchanged = !modified.After(c.IfModifiedSince)
	}
	switch {
	case !unchanged:
		return nil
	case source:
		return refuse(PreconditionFailed, "the source is unchanged")
	}
	e := refuse(NotModified, "the object is unchanged")
	e.ETag = etag
	return e
}

func matchesAny(etags []string, etag string) bool {
	return slices.Contains(etags, "*") || slices.Contains(etags, etag)
}

// matches reports whether a write's If-Match fits an object that is there.
func matches(want, etag string) bool { return want == "*" || want == etag }

// check refuses what the backend could not decide atomically, before anything is read. Size is that of the ciphertext: above SplitAbove the
// condition falls to Complete.
func (c *WriteConditions) check(caps providers.Capabilities, size int64) error {
	noneMatch, match := caps.PutIfNoneMatch, caps.PutIfMatch
	if caps.SplitAbove > 0 && size > caps.SplitAbove {
		noneMatch, match = caps.CompleteIfNoneMatch, caps.CompleteIfMatch
	}
	switch {
	case c.IfNoneMatch && c.IfMatch != "":
		return refuse(InvalidRequest, "If-Match and If-None-Match exclude each other")
	case c.IfNoneMatch && !noneMatch:
		return refuse(Unsupported, "this backend cannot decide If-None-Match atomically")
	case c.IfMatch != "" && !match:
		return refuse(Unsupported, "this backend cannot decide If-Match atomically")
	}
	return nil
}
