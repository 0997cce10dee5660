package s3

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// errForeignAnswer says that something between here and the service answered in its place.
var errForeignAnswer = errors.New("the answer is not the service's but comes from something before it, as a proxy, a load balancer or a sign-in page: check the endpoint and what stands before it")

const (
	requestIDHeader = "X-Amz-Request-Id"
	minioCodeHeader = "X-Minio-Error-Code" // MinIO's answers to HEAD have it, which can have no document
)

// refuseForeign fails for an answer of success, or that something is absent, which the service did not give. Taken for its own it would say that an object is
// deleted, or that there is none, where the service was not even asked; answers with another status mislead nobody. It may read the answer's beginning, and
// puts it back.
func (r recorder) refuseForeign(request *http.Request, response *http.Response) error {
	absent := response.StatusCode == http.StatusNotFound
	if !absent && response.StatusCode >= 300 {
		return nil
	}
	if response.Header.Get(requestIDHeader) != "" {
		r.namesRequests.Store(true)
		return nil
	}
	foreign := r.namesRequests.Load()
	if absent && !foreign && request.Method != http.MethodHead && response.Header.Get(minioCodeHeader) == "" {
		begin, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBegin))
		if err != nil {
			return err
		}
		foreign = !isErrorDocument(begin)
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(begin), response.Body), response.Body}
	}
	if foreign {
		return fmt.Errorf("%d: %w", response.StatusCode, errForeignAnswer)
	}
	return nil
}

// maxErrorBegin is how much of an answer is looked at for an error document's beginning.
const maxErrorBegin = 4 << 10
