package s3api

import (
	"context"
	"encoding/base64"
	"net/http"
	"sort"
	"strings"

	"sallyport/gateway/auth"
)

const maxBucketsPerPage = 10000

// listBuckets shows the buckets that the principal may list.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html
func (c *call) listBuckets(ctx context.Context) error {
	limit, err := c.query.count("max-buckets", maxBucketsPerPage)
	if err != nil {
		return err
	}
	if c.query.has("max-buckets") && limit == 0 {
		return invalidArgument("max-buckets", c.query["max-buckets"], "Argument max-buckets must be an integer between 1 and 10000")
	}
	after := ""
	if token, ok := c.query["continuation-token"]; ok {
		name, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(name) == 0 {
			return invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
		}
		after = string(name)
	}
	buckets, err := c.h.objects.ListBuckets(ctx, func(bucket string) bool { return c.who.Allow(auth.SeeBucket, bucket, "") })
	if err != nil {
		return err
	}
	if region, ok := c.query["bucket-region"]; ok && region != c.h.region {
		buckets = nil
	}
	prefix := c.query["prefix"]
	d := newDocument("ListAllMyBucketsResult")
	writeOwner(d)
	d.begin("Buckets")
	buckets = buckets[sort.Search(len(buckets), func(i int) bool { return buckets[i].Name > after }):]
	shown, last, more := 0, "", false
	for _, b := range buckets {
		if !strings.HasPrefix(b.Name, prefix) {
			continue
		}
		if shown == limit {
			more = true
			break
		}
		d.begin("Bucket")
		d.text("Name", b.Name)
		d.time("CreationDate", b.Created)
		if c.query.has("max-buckets") || c.query.has("bucket-region") {
			d.text("BucketRegion", c.h.region)
		}
		d.end()
		shown, last = shown+1, b.Name
	}
	d.end()
	d.optional("Prefix", prefix)
	if more {
		d.text("ContinuationToken", base64.RawURLEncoding.EncodeToString([]byte(last)))
	}
	c.writeXML(http.StatusOK, d)
	return nil
}

// All buckets and objects have one owner. The id has the form of S3's canonical user ids and is the SHA-256 of "sallyport".
const (
	ownerID   = "2f675b92d33b90aedfa99682cfe287d98c407f73437853c844828e5d2aeaa4a5"
	ownerName = "sallyport"
)

func writeOwner(d *document) {
	d.begin("Owner")
	d.text("ID", ownerID)
	d.text("DisplayName", ownerName)
	d.end()
}
