package s3

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/s3utils"
	"github.com/minio/minio-go/v7/pkg/signer"
)

// maxAnswer bounds a document in an answer. A page of 1000 names of 1 KiB, each byte escaped, is the largest.
const maxAnswer = 8 << 20

const emptySHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// own is a request that minio-go cannot make: it lists without a ctx or with one delimiter only, has no condition for deletes, and takes an error
// behind a status of success for a copied part or for a list without parts.
type own struct {
	method string
	name   string // object name; "" = the bucket
	query  url.Values
	header http.Header
}

// url returns the request's target, written as it is signed.
func (b *Bucket) url(name string, query url.Values) string {
	var text strings.Builder
	text.WriteString(b.settings.endpoint.Scheme + "://")
	if b.settings.pathStyle {
		text.WriteString(b.settings.endpoint.Host + "/" + b.bucket + "/")
	} else {
		text.WriteString(b.bucket + "." + b.settings.endpoint.Host + "/")
	}
	text.WriteString(s3utils.EncodePath(name))
	if len(query) > 0 {
		text.WriteString("?" + s3utils.QueryEncode(query))
	}
	return text.String()
}

// send makes one own request, recorded in x, and decodes the answer into document unless that is nil. A failure that the service told is a
// minio.ErrorResponse.
func (b *Bucket) send(ctx context.Context, x *exchange, r *own, document any) error {
	request, err := http.NewRequestWithContext(ctx, r.method, b.url(r.name, r.query), http.NoBody)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	maps.Copy(request.Header, r.header)
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	who, err := b.credentials.GetWithContext(&credentials.CredContext{})
	if err != nil {
		return fmt.Errorf("get credentials: %w", err)
	}
	request = signer.SignV4(*request, who.AccessKeyID, who.SecretAccessKey, who.SessionToken, b.settings.region)
	response, err := b.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body) // bounded by the recorder
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode >= 300 || isErrorDocument(answer) {
		return errorResponse(x, r.name, answer)
	}
	if document == nil {
		if len(bytes.TrimSpace(answer)) > 0 { // what asks for no document is answered with none
			return errForeignAnswer
		}
		return nil
	}
	if err := decode(answer, document); err != nil {
		return fmt.Errorf("%w: %w", errForeignAnswer, err)
	}
	return nil
}

// isErrorDocument reports whether an answer is S3's error document, whatever its status said.
func isErrorDocument(answer []byte) bool {
	decoder := xml.NewDecoder(bytes.NewReader(answer[:min(len(answer), 4<<10)]))
	for {
		token, err := decoder.Token()
		if err != nil {
			return false
		}
		if start, ok := token.(xml.StartElement); ok {
			return start.Name.Local == "Error"
		}
	}
}

// errorResponse reads an error answer, filling what a HEAD or a proxy leaves out.
func errorResponse(x *exchange, name string, answer []byte) error {
	response := minio.ErrorResponse{}
	if err := xml.Unmarshal(answer, &response); err != nil || response.Code == "" {
		response = minio.ErrorResponse{Code: x.header.Get(minioCodeHeader), Message: strings.Trim(x.header.Get("X-Minio-Error-Desc"), `"`)}
		if response.Message == "" {
			response.Message = firstLine(answer)
		}
		if response.Code == "" && x.status == http.StatusNotFound && name == "" {
			response.Code = "NoSuchBucket"
		}
		if response.Code == "" {
			response.Code = http.StatusText(x.status)
		}
	}
	response.StatusCode = x.status
	if response.RequestID == "" {
		response.RequestID = x.header.Get(requestIDHeader)
	}
	if response.Region == "" {
		response.Region = x.header.Get("X-Amz-Bucket-Region")
	}
	return response
}

// firstLine is what a proxy may have said, in a length for a log.
func firstLine(answer []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(answer)), "\n")
	if len(line) > 200 {
		line = line[:200]
	}
	return strings.ToValidUTF8(line, "?")
}

// confirmBucket asks for the least of a list: it tells in words what is wrong with bucket, region, credentials or the permission to list, which a HEAD
// does not.
func (b *Bucket) confirmBucket(ctx context.Context, op string) error {
	return b.listOnce(ctx, op, url.Values{"prefix": {b.names.prefix}, "max-keys": {"1"}}, &listAnswer{})
}

// quoted is an ETag as a header has it.
func quoted(etag string) string { return `"` + etag + `"` }

// unquoted is an ETag as the driver has it.
func unquoted(etag string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(etag, "W/"), `"`), `"`)
}

// validETag refuses what would break out of a header.
func validETag(etag string) bool {
	for i := range len(etag) {
		if etag[i] <= ' ' || etag[i] >= 0x7f || etag[i] == '"' {
			return false
		}
	}
	return etag != "" && etag != "*"
}

var errNoETag = errors.New("the answer holds no ETag")
