package main

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	multipartSize = 1024 * mib
	partSize      = 16 * mib
)

// multipart uploads 1 GiB in parts and reads it back, one part after the other and eight at once. Bare file servers cannot.
func multipart(ctx context.Context, b *bench) error {
	if b.minio == nil {
		return nil
	}
	signed := noiseHash(partSize)
	for _, atOnce := range []int{1, 8} {
		for name, hash := range map[string]string{"": "", ", signed": signed} {
			err := b.measure(ctx, transfer(fmt.Sprintf("multipart PUT 1 GiB, %d parts at once%s", atOnce, name), multipartSize, func(ctx context.Context, s *server) error {
				return b.upload(ctx, s, atOnce, hash)
			}))
			if err != nil {
				return err
			}
		}
	}
	for _, atOnce := range []int64{1, 8} {
		err := b.measure(ctx, transfer(fmt.Sprintf("GET of it, %d ranges at once", atOnce), multipartSize, func(ctx context.Context, s *server) error {
			return inParallel(int(atOnce), int(atOnce), func(i int) error {
				each := multipartSize / atOnce
				n, err := b.do(ctx, s, request{
					method: http.MethodGet, path: "/" + bucket + "/multipart",
					header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", int64(i)*each, int64(i+1)*each-1)},
				})
				if err == nil && n != each {
					err = fmt.Errorf("GET answered %d bytes", n)
				}
				return err
			})
		}))
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) upload(ctx context.Context, s *server, atOnce int, hash string) error {
	const path = "/" + bucket + "/multipart"
	var text bytes.Buffer
	if _, err := b.do(ctx, s, request{method: http.MethodPost, path: path + "?uploads=", answer: &text}); err != nil {
		return err
	}
	var begun struct{ UploadId string }
	if err := xml.Unmarshal(text.Bytes(), &begun); err != nil {
		return err
	}
	id := url.QueryEscape(begun.UploadId)
	etags := make([]string, multipartSize/partSize)
	err := inParallel(len(etags), atOnce, func(i int) error {
		_, header, err := b.exchange(ctx, s, put(fmt.Sprintf("%s?partNumber=%d&uploadId=%s", path, i+1, id), partSize, hash))
		etags[i] = header.Get("ETag")
		return err
	})
	if err != nil {
		return err
	}
	var list strings.Builder
	list.WriteString("<CompleteMultipartUpload>")
	for i, etag := range etags {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", i+1, etag)
	}
	list.WriteString("</CompleteMultipartUpload>")
	text.Reset()
	_, err = b.do(ctx, s, request{method: http.MethodPost, path: path + "?uploadId=" + id, body: strings.NewReader(list.String()), size: int64(list.Len()), answer: &text})
	if err == nil && !strings.Contains(text.String(), "<ETag>") {
		err = fmt.Errorf("complete answered %s", text.String())
	}
	return err
}
