package awslike

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type listedObject struct {
	Key          string
	LastModified time.Time
	ETag         string
	Size         int
}

type listedPrefix struct{ Prefix string }

// list is ListObjectsV2. As at Amazon S3 a page begins behind the start, and a common prefix that the start lies in comes once more.
func (s *Service) list(query url.Values) (*answer, *failure) {
	var page struct {
		XMLName               xml.Name `xml:"ListBucketResult"`
		EncodingType          string   `xml:",omitempty"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []listedObject
		CommonPrefixes        []listedPrefix
	}
	escape := func(text string) string { return text }
	if query.Get("encoding-type") == "url" {
		page.EncodingType = "url"
		escape = url.QueryEscape
	}
	after, inGroup := query.Get("start-after"), ""
	if token := query.Get("continuation-token"); token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "InvalidArgument")
		}
		after = string(text)
		if strings.HasSuffix(after, query.Get("delimiter")) && query.Get("delimiter") != "" {
			inGroup = after
		}
	}
	limit, err := strconv.Atoi(query.Get("max-keys"))
	if err != nil || limit > 1000 {
		limit = 1000
	}
	prefix, delimiter := query.Get("prefix"), query.Get("delimiter")
	var names []string
	for name := range s.objects {
		if strings.HasPrefix(name, prefix) && name > after && (inGroup == "" || !strings.HasPrefix(name, inGroup)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	last, count := "", 0
	for _, name := range names {
		group := ""
		if before, _, found := strings.Cut(name[len(prefix):], delimiter); found && delimiter != "" {
			group = prefix + before + delimiter
			if group == last {
				continue
			}
		}
		if count == limit {
			page.IsTruncated = true
			page.NextContinuationToken = base64.StdEncoding.EncodeToString([]byte(last))
			break
		}
		count++
		if group != "" {
			last = group
			page.CommonPrefixes = append(page.CommonPrefixes, listedPrefix{escape(group)})
			continue
		}
		last = name
		o := s.objects[name]
		page.Contents = append(page.Contents, listedObject{escape(name), o.modified.UTC(), `"` + o.etag + `"`, len(o.data)})
	}
	return document(page), nil
}
