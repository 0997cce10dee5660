package awslike

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const minPart = 5 << 20

func (s *Service) multipart(r *http.Request, name string, query url.Values, body []byte) (*answer, *failure) {
	if query.Has("uploads") {
		s.n++
		id := fmt.Sprintf("upload-%d.%s", s.n, strings.Repeat("x", 100))
		s.uploads[id] = &upload{key: name, parts: map[int]*part{}}
		return document(struct {
			XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
			UploadID string   `xml:"UploadId"`
		}{UploadID: id}), nil
	}
	id := query.Get("uploadId")
	up := s.uploads[id]
	if up == nil || up.key != name {
		return nil, refuse(http.StatusNotFound, "NoSuchUpload")
	}
	switch r.Method {
	case http.MethodPut:
		return s.putPart(r, up, query, body)
	case http.MethodGet:
		return s.listParts(up, query)
	case http.MethodDelete:
		delete(s.uploads, id)
		return &answer{status: http.StatusNoContent, header: http.Header{}}, nil
	case http.MethodPost:
		return s.complete(r, id, up, body)
	}
	return nil, refuse(http.StatusMethodNotAllowed, "MethodNotAllowed")
}

func (s *Service) putPart(r *http.Request, up *upload, query url.Values, body []byte) (*answer, *failure) {
	n, err := strconv.Atoi(query.Get("partNumber"))
	if err != nil || n < 1 || n > 10000 {
		return nil, refuse(http.StatusBadRequest, "InvalidArgument")
	}
	source := r.Header.Get("X-Amz-Copy-Source")
	if source == "" {
		if hasChecksum(r) && !s.lacks("part-checksum") {
			return nil, refuse(http.StatusBadRequest, "InvalidRequest") // expected checksum Type: null
		}
		up.parts[n] = &part{data: body, etag: etagOf(body), modified: time.Now()}
		return s.stored(etagOf(body), body), nil
	}
	path, err := url.PathUnescape(source)
	if err != nil {
		return nil, refuse(http.StatusBadRequest, "InvalidArgument")
	}
	_, name, _ := strings.Cut(path, "/")
	o := s.objects[name]
	if o == nil {
		return nil, refuse(http.StatusNotFound, "NoSuchKey")
	}
	if match := r.Header.Get("X-Amz-Copy-Source-If-Match"); match != "" && match != `"`+o.etag+`"` {
		return nil, refuse(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	first, last, ok := byteRange(r.Header.Get("X-Amz-Copy-Source-Range"), int64(len(o.data)))
	if !ok {
		return nil, refuse(http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
	}
	data := o.data[first : last+1]
	up.parts[n] = &part{data: data, etag: etagOf(data), modified: time.Now()}
	return document(struct {
		XMLName      xml.Name `xml:"CopyPartResult"`
		ETag         string
		LastModified time.Time
	}{ETag: `"` + etagOf(data) + `"`, LastModified: time.Now().UTC()}), nil
}

func (s *Service) listParts(up *upload, query url.Values) (*answer, *failure) {
	type listed struct {
		PartNumber   int
		ETag         string
		Size         int
		LastModified time.Time
	}
	var found struct {
		XMLName     xml.Name `xml:"ListPartsResult"`
		IsTruncated bool
		Part        []listed
	}
	marker, _ := strconv.Atoi(query.Get("part-number-marker"))
	limit, err := strconv.Atoi(query.Get("max-parts"))
	if err != nil || limit > 1000 {
		limit = 1000
	}
	for n, p := range up.parts {
		if n > marker {
			found.Part = append(found.Part, listed{n, `"` + p.etag + `"`, len(p.data), p.modified.UTC()})
		}
	}
	slices.SortFunc(found.Part, func(a, b listed) int { return a.PartNumber - b.PartNumber })
	if len(found.Part) > limit {
		found.Part, found.IsTruncated = found.Part[:limit], true
	}
	return document(found), nil
}

func (s *Service) complete(r *http.Request, id string, up *upload, body []byte) (*answer, *failure) {
	var list struct {
		Part []struct {
			PartNumber int
			ETag       string
		}
	}
	if err := xml.Unmarshal(body, &list); err != nil || len(list.Part) == 0 {
		return nil, refuse(http.StatusBadRequest, "MalformedXML")
	}
	if f := s.condition(r, up.key, "complete-if"); f != nil {
		return nil, f
	}
	var whole []byte
	for i, p := range list.Part {
		stored := up.parts[p.PartNumber]
		switch {
		case stored == nil || strings.Trim(p.ETag, `"`) != stored.etag:
			return nil, refuse(http.StatusBadRequest, "InvalidPart")
		case i > 0 && p.PartNumber <= list.Part[i-1].PartNumber:
			return nil, refuse(http.StatusBadRequest, "InvalidPartOrder")
		case i < len(list.Part)-1 && len(stored.data) < cmp.Or(s.MinPart, minPart):
			return nil, refuse(http.StatusBadRequest, "EntityTooSmall")
		}
		whole = append(whole, stored.data...)
	}
	o := newObject(whole)
	o.etag = fmt.Sprintf("%s-%d", etagOf(append(slices.Clip(whole), id...)), len(list.Part))
	s.objects[up.key] = o
	delete(s.uploads, id)
	return document(struct {
		XMLName xml.Name `xml:"CompleteMultipartUploadResult"`
		Bucket  string
		Key     string
		ETag    string
	}{Bucket: s.Bucket, Key: up.key, ETag: `"` + o.etag + `"`}), nil
}
