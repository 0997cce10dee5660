package objects

import (
	"context"
	"time"
)

// ListInput is one page of ListObjects, ListObjectsV2 or ListObjectVersions.
type ListInput struct {
	Bucket, Prefix, Delimiter string
	After                     string // marker or start-after: only entries greater than this
	Token                     string // ListObjectsV2's continuation token; excludes After
	Limit                     int    // 0…1000
}

// ListedObject is one object in a page. Size is plaintext, by arithmetic.
type ListedObject struct {
	Key     string
	Size    int64
	ETag    string
	ModTime time.Time
}

// ListOutput is one page. Objects and Prefixes are each in byte order; together they are at most Limit.
type ListOutput struct {
	Objects   []ListedObject
	Prefixes  []string
	More      bool
	NextToken string // opaque, bound to bucket and query; set when More
	Last      string // the greatest name in the page, object or prefix: NextMarker
	Foreign   int    // objects listed with their stored size because no object file has it
	Unopened  int    // objects listed with an opaque ETag because their tail could not be read or opened
}

// List returns one page of a bucket. Under the policy "md5" it reads the tails whose ETag is not remembered; an object whose tail does not
// open is listed with an opaque ETag, and counted.
func (s *Service) List(ctx context.Context, in *ListInput) (*ListOutput, error) {
	out, err := s.list(ctx, in)
	if err != nil {
		return nil, fail(in.Bucket, "", err)
	}
	return out, nil
}
