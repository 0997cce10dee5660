package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"sallyport/integration/history"
)

const (
	linearBucket  = "linear"
	answerWithin  = time.Second // what a client waits for an answer before it asks again, perhaps elsewhere; less than some pauses
	withoutAnswer = "no answer: "
)

// linearTarget sends the operations of histories over HTTP, each to the gateway that its plan names.
type linearTarget struct {
	fleet *linearFleet
}

// Do implements history.Target.
func (l *linearTarget) Do(ctx context.Context, op *history.Op) history.Result {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	client := l.fleet.client(op.Endpoint)
	bucket, key := aws.String(linearBucket), aws.String(op.Key)
	switch op.Kind {
	case history.Get:
		return linearGet(ctx, client, op)
	case history.Head:
		out, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			return judged(err)
		}
		return acknowledged(out.ETag)
	case history.List:
		return linearList(ctx, client, op)
	case history.Put:
		out, err := client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: bucket, Key: key, Body: bytes.NewReader(history.Body(op.Value)), IfNoneMatch: ifAbsent(op), IfMatch: quoted(op.IfMatch),
		})
		if err != nil {
			return judged(err)
		}
		return acknowledged(out.ETag)
	case history.Delete:
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: key, IfMatch: quoted(op.IfMatch)}); err != nil {
			return judged(err)
		}
		return history.Result{}
	case history.Copy:
		in := &s3.CopyObjectInput{
			Bucket: bucket, Key: key, CopySource: aws.String(linearBucket + "/" + op.Source), CopySourceIfMatch: quoted(op.SourceIfMatch), IfNoneMatch: ifAbsent(op),
		}
		if op.Source == op.Key {
			in.MetadataDirective = types.MetadataDirectiveReplace
		}
		out, err := client.CopyObject(ctx, in)
		if err != nil {
			return judged(err)
		}
		return acknowledged(out.CopyObjectResult.ETag)
	case history.Complete:
		out, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
			Bucket: bucket, Key: key, UploadId: &op.Upload.ID, IfNoneMatch: ifAbsent(op), IfMatch: quoted(op.IfMatch),
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: &op.Upload.ETag}}},
		})
		if err != nil {
			return judged(err)
		}
		return acknowledged(out.ETag)
	case history.Begin:
	}
	return history.Result{Outcome: history.Wrong, Detail: "not an operation"}
}

// Begin implements history.Target. The part goes to another gateway than the upload was begun at, if there is one.
func (l *linearTarget) Begin(ctx context.Context, endpoint int, key, value string) (id, etag string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	up, err := l.fleet.client(endpoint).CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: aws.String(linearBucket), Key: &key})
	if err != nil {
		return "", "", false
	}
	part, err := l.fleet.client(endpoint+1).UploadPart(ctx, &s3.UploadPartInput{
		Bucket: aws.String(linearBucket), Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader(history.Body(value)),
	})
	if err != nil {
		return "", "", false
	}
	return *up.UploadId, *part.ETag, true
}

func ifAbsent(op *history.Op) *string {
	if !op.IfNoneMatch {
		return nil
	}
	return aws.String("*")
}

func quoted(seen *history.Seen) *string {
	if seen == nil {
		return nil
	}
	return aws.String(`"` + seen.ETag + `"`)
}

func acknowledged(etag *string) history.Result {
	return history.Result{ETag: strings.Trim(aws.ToString(etag), `"`)}
}

func linearGet(ctx context.Context, client *s3.Client, op *history.Op) history.Result {
	in := &s3.GetObjectInput{Bucket: aws.String(linearBucket), Key: aws.String(op.Key)}
	if op.Ranged() {
		in.Range = aws.String("bytes=0-")
	}
	out, err := client.GetObject(ctx, in)
	if err != nil {
		return judged(err)
	}
	b, err := io.ReadAll(out.Body)
	_ = out.Body.Close()
	if err != nil && !strings.Contains(err.Error(), "checksum") {
		return history.Result{Outcome: history.Failed, Detail: err.Error()} // cut in the middle, and the client can tell
	}
	value, ok := history.ValueOf(b)
	if err != nil || !ok {
		return history.Result{Outcome: history.Wrong, Detail: fmt.Sprintf("%d bytes that nobody wrote, %v", len(b), err)}
	}
	r := acknowledged(out.ETag)
	r.Value = value
	return r
}

func linearList(ctx context.Context, client *s3.Client, op *history.Op) history.Result {
	out, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(linearBucket), Prefix: aws.String(op.Key)})
	switch {
	case err != nil:
		return judged(err)
	case len(out.Contents) == 0:
		return history.Result{Outcome: history.NotFound}
	case len(out.Contents) > 1 || *out.Contents[0].Key != op.Key:
		return history.Result{Outcome: history.Wrong, Detail: fmt.Sprintf("%d objects listed", len(out.Contents))}
	}
	return acknowledged(out.Contents[0].ETag)
}

// judged says what an error tells a client.
func judged(err error) history.Result {
	r := history.Result{Outcome: history.Wrong, Detail: err.Error()}
	var response interface{ HTTPStatusCode() int }
	status := 0
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	dial := new(net.OpError)
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case errors.As(err, &dial) && dial.Op == "dial":
		r.Outcome = history.Failed // nobody was there
	case !answered || status == 0:
		r.Outcome, r.Detail = history.Unknown, withoutAnswer+err.Error()
	case status == http.StatusServiceUnavailable:
		r.Outcome = history.Unknown
	default:
		switch api.ErrorCode() {
		case "NoSuchKey", "NotFound":
			return history.Result{Outcome: history.NotFound}
		case "NoSuchUpload":
			return history.Result{Outcome: history.NoUpload}
		case "PreconditionFailed":
			return history.Result{Outcome: history.Refused}
		case "ConditionalRequestConflict":
			return history.Result{Outcome: history.Conflict}
		}
	}
	return r
}
