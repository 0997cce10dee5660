package hiddenfaults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"sallyport/gateway/objects"
)

// operation is something a client asks for, and what comes of it.
type operation struct {
	name   string
	only   string // the flavour that has it; "" = both
	weight int    // how often it is drawn
	run    func(ctx context.Context, g *gateway) error

	// key is the object that changes, if one does, to becomes; nil = it is removed.
	key     string
	becomes []byte

	// refused is what the operation must be answered when nothing goes wrong; 0 = success.
	refused objects.Kind

	// after looks closer with a sound gateway. unclear says that the backend's answer was lost, or given twice.
	after func(ctx context.Context, g *gateway, err error, unclear bool) error
}

var none objects.WriteConditions

func operations(tm *template) []operation {
	var all []operation
	add := func(weight int, op operation) {
		op.weight = weight
		all = append(all, op)
	}
	put := func(name, key string, b []byte, c objects.WriteConditions) operation {
		return operation{name: name, key: key, becomes: b, run: func(ctx context.Context, g *gateway) error {
			_, err := g.put(ctx, key, b, c)
			return err
		}}
	}
	match := func(key string) objects.WriteConditions {
		return objects.WriteConditions{IfMatch: md5Hex(tm.objects[key])}
	}
	absent := objects.WriteConditions{IfNoneMatch: true}
	add(6, put("put small", "small", content(31, 6000), none))
	add(2, put("put empty", "small", []byte{}, none))
	add(3, put("put new", "new/small", content(32, 2000), none))
	add(3, put("put medium", "medium", content(33, 60_000), none))
	add(4, put("put long", "long", content(34, 1<<20+70_000), none))
	add(4, put("put split", "split", content(35, splitAbove+300_000), none))
	add(3, put("put if none match", "new/once", content(36, 3000), absent))
	add(1, put("put long if none match", "new/long", content(37, 1<<20+1), absent))
	add(2, put("put split if none match", "new/split", content(38, splitAbove+1), absent))
	add(3, put("put if match", "small", content(39, 4000), match("small")))
	add(1, put("put long if match", "long", content(40, 1<<20+5), match("long")))
	add(2, put("put split if match", "split", content(41, splitAbove+9), match("split")))
	refused := put("put if none match, refused", "small", content(42, 4000), absent)
	refused.refused = objects.PreconditionFailed
	add(2, refused)
	refused = put("put if match, refused", "small", content(43, 4000), objects.WriteConditions{IfMatch: md5Hex([]byte("other"))})
	refused.refused = objects.PreconditionFailed
	add(1, refused)
	return slices.Concat(all, reads(tm), changes(tm), uploads(tm))
}

// errNoCompletion: a part that was answered with another ETag than the service knows it by is refused when it is completed.
var errNoCompletion = errors.New("the upload cannot be completed any more")

// errFewer: a part or an upload whose note does not verify is left out, and an alarm is raised.
var errFewer = fmt.Errorf("%w: less is listed than there is", errWrong)

func reads(tm *template) []operation {
	var all []operation
	add := func(weight int, name string, run func(ctx context.Context, g *gateway) error) {
		all = append(all, operation{name: name, weight: weight, run: run})
	}
	get := func(key string, in objects.GetInput, want []byte) func(ctx context.Context, g *gateway) error {
		in.Key = key
		return func(ctx context.Context, g *gateway) error {
			got, err := g.get(ctx, in)
			if !bytes.HasPrefix(want, got) || err == nil && len(got) != len(want) {
				return fmt.Errorf("%w: %d of %d bytes, %w", errWrong, len(got), len(want), err)
			}
			return err
		}
	}
	for key, weight := range map[string]int{"empty": 1, "small": 4, "medium": 4, "long": 3, "split": 2} {
		want := tm.objects[key]
		add(weight, "get "+key, get(key, objects.GetInput{}, want))
		if n := len(want); n > 0 {
			add(1, "get the end of "+key, get(key, objects.GetInput{Range: &objects.RangeSpec{HasSuffix: true, Suffix: 700}}, want[n-700:]))
			add(2, "get a range of "+key, get(key, objects.GetInput{Range: &objects.RangeSpec{First: 100, Last: int64(n - 200)}}, want[100:n-199]))
		}
		add(1, "head "+key, func(ctx context.Context, g *gateway) error {
			out, err := g.Head(ctx, &objects.GetInput{Bucket: bucketName, Key: key})
			if err == nil && (out.Size != int64(len(want)) || out.ETag != tm.sums.of(want)) {
				return fmt.Errorf("%w: %+v", errWrong, out.ObjectInfo)
			}
			return err
		})
	}
	add(3, "get long, closed early", func(ctx context.Context, g *gateway) error {
		out, err := g.Get(ctx, &objects.GetInput{Bucket: bucketName, Key: "long"})
		if err != nil {
			return err
		}
		begin := make([]byte, 100)
		n, err := io.ReadFull(out.Body, begin)
		if !bytes.HasPrefix(tm.objects["long"], begin[:n]) {
			err = errWrong
		}
		return errors.Join(err, out.Body.Close())
	})
	all = append(all, operation{name: "get absent", weight: 2, refused: objects.NoSuchKey, run: get("absent", objects.GetInput{}, nil)})
	all = append(all, operation{name: "head absent", weight: 1, refused: objects.NoSuchKey, run: func(ctx context.Context, g *gateway) error {
		_, err := g.Head(ctx, &objects.GetInput{Bucket: bucketName, Key: "absent"})
		return err
	}})
	add(4, "list", func(ctx context.Context, g *gateway) error { return checkList(ctx, g, tm.objects) })
	add(1, "list buckets", func(ctx context.Context, g *gateway) error {
		found, err := g.ListBuckets(ctx, func(string) bool { return true })
		if err == nil && (len(found) != 1 || found[0].Name != bucketName) {
			return fmt.Errorf("%w: %+v", errWrong, found)
		}
		return err
	})
	add(2, "list parts", func(ctx context.Context, g *gateway) error {
		out, err := g.ListParts(ctx, &objects.ListPartsInput{UploadRef: tm.large.UploadRef, Limit: 100})
		if err == nil && len(out.Parts) < 2 {
			return errFewer
		}
		if err == nil && (len(out.Parts) != 2 || out.Parts[0].ETag != tm.large.parts[0].ETag || out.Parts[1].ETag != tm.large.parts[1].ETag || out.More) {
			return fmt.Errorf("%w: %+v", errWrong, out)
		}
		return err
	})
	add(2, "list uploads", func(ctx context.Context, g *gateway) error {
		out, err := g.ListUploads(ctx, &objects.ListUploadsInput{Bucket: bucketName, Limit: 100})
		if err == nil && len(out.Uploads) < 2 {
			return errFewer
		}
		if err == nil && (len(out.Uploads) != 2 || out.Uploads[0].UploadID != tm.held.UploadID || out.Uploads[1].UploadID != tm.large.UploadID) {
			return fmt.Errorf("%w: %+v", errWrong, out)
		}
		return err
	})
	slices.SortFunc(all, func(a, b operation) int { return bytes.Compare([]byte(a.name), []byte(b.name)) }) // maps come in any order
	return all
}

// checkList compares a list with what ought to be there.
func checkList(ctx context.Context, g *gateway, want map[string][]byte) error {
	out, err := g.List(ctx, &objects.ListInput{Bucket: bucketName, Limit: 1000})
	if err != nil {
		return err
	}
	keys := slices.Sorted(maps.Keys(want))
	if len(out.Objects) != len(keys) || out.More {
		return fmt.Errorf("%w: %d objects of %d, more %v", errWrong, len(out.Objects), len(keys), out.More)
	}
	for i, o := range out.Objects {
		if o.Key != keys[i] || o.Size != int64(len(want[o.Key])) || o.ETag != g.template.sums.of(want[o.Key]) && out.Unopened == 0 && len(o.ETag) == 32 {
			return fmt.Errorf("%w: %+v in place of %q", errWrong, o, keys[i])
		}
	}
	return nil
}

func changes(tm *template) []operation {
	copied := func(name string, in objects.CopyInput, from string) operation {
		in.Bucket, in.Source.Bucket, in.Source.Key = bucketName, bucketName, from
		return operation{name: name, key: in.Key, becomes: tm.objects[from], run: func(ctx context.Context, g *gateway) error {
			out, err := g.Copy(ctx, &in)
			if err == nil && out.ETag != tm.sums.of(tm.objects[from]) {
				return fmt.Errorf("%w: the ETag of a copy is %s", errWrong, out.ETag)
			}
			return err
		}}
	}
	deleted := func(name, key, ifMatch string) operation {
		return operation{name: name, key: key, run: func(ctx context.Context, g *gateway) error {
			return g.Delete(ctx, &objects.DeleteInput{Bucket: bucketName, Key: key, IfMatch: ifMatch})
		}}
	}
	weigh := func(op operation, weight int, only string, refused objects.Kind) operation {
		op.weight, op.only, op.refused = weight, only, refused
		return op
	}
	return []operation{
		weigh(copied("copy small", objects.CopyInput{Key: "medium"}, "small"), 3, "", 0),
		weigh(copied("copy long", objects.CopyInput{Key: "new/copy"}, "long"), 2, "", 0),
		weigh(copied("copy split", objects.CopyInput{Key: "small"}, "split"), 1, "", 0),
		{
			name: "copy onto itself", weight: 2,
			run: func(ctx context.Context, g *gateway) error {
				_, err := g.Copy(ctx, &objects.CopyInput{
					Source: objects.CopySource{Bucket: bucketName, Key: "small"}, Bucket: bucketName, Key: "small", Replace: true,
					Content: objects.Content{Metadata: map[string]string{"is": "new"}},
				})
				return err
			},
			after: func(ctx context.Context, g *gateway, err error, unclear bool) error {
				out, headErr := g.Head(ctx, &objects.GetInput{Bucket: bucketName, Key: "small"})
				if headErr != nil || err == nil != (out.Metadata["is"] == "new") && !unclear {
					return fmt.Errorf("%w: %+v, %w", errWrong, out, headErr)
				}
				return nil
			},
		},
		weigh(copied("copy if none match", objects.CopyInput{Key: "new/copy", Conditions: objects.WriteConditions{IfNoneMatch: true}}, "medium"), 1, "", 0),
		weigh(copied("copy if match", objects.CopyInput{Key: "medium", Conditions: objects.WriteConditions{IfMatch: md5Hex(tm.objects["medium"])}}, "small"), 1, "", 0),
		weigh(deleted("delete", "small", ""), 4, "", 0),
		weigh(deleted("delete long", "long", ""), 1, "", 0),
		{name: "delete absent", weight: 1, run: deleted("", "absent", "").run},
		weigh(deleted("delete if match", "small", md5Hex(tm.objects["small"])), 3, "s3", 0),
		weigh(deleted("delete if match, refused", "small", md5Hex([]byte("other"))), 1, "s3", objects.PreconditionFailed),
		{name: "delete bucket, refused", weight: 1, refused: objects.BucketNotEmpty, run: func(ctx context.Context, g *gateway) error {
			return g.DeleteBucket(ctx, bucketName)
		}},
		{
			name: "create and delete bucket", weight: 1,
			run: func(ctx context.Context, g *gateway) error {
				if err := g.CreateBucket(ctx, "third-bucket"); err != nil {
					return err
				}
				return g.DeleteBucket(ctx, "third-bucket")
			},
			after: func(ctx context.Context, g *gateway, err error, _ bool) error {
				if _, headErr := g.HeadBucket(ctx, "third-bucket"); err == nil && kindOf(headErr) != objects.NoSuchBucket {
					return fmt.Errorf("%w: the deleted bucket answers %w", errWrong, headErr)
				}
				return nil
			},
		},
		{
			name: "create bucket", weight: 1,
			run: func(ctx context.Context, g *gateway) error { return g.CreateBucket(ctx, "second-bucket") },
			after: func(ctx context.Context, g *gateway, err error, _ bool) error {
				_, headErr := g.HeadBucket(ctx, "second-bucket")
				if err == nil && headErr != nil {
					return fmt.Errorf("%w: the bucket is not there: %w", errWrong, headErr)
				}
				return nil
			},
		},
	}
}

func uploads(tm *template) []operation {
	// finishes completes an upload with a sound gateway and compares the object.
	finishes := func(ctx context.Context, g *gateway, ref objects.UploadRef, whole []byte, parts ...objects.CompletedPart) error {
		if err := g.complete(ctx, ref, none, parts...); err != nil {
			return fmt.Errorf("%w: %w", errNoCompletion, err)
		}
		got, err := g.get(ctx, objects.GetInput{Key: ref.Key})
		if err != nil || !bytes.Equal(got, whole) {
			return fmt.Errorf("the completed object is %d bytes of %d, %w", len(got), len(whole), err)
		}
		return nil
	}
	completes := func(name string, weight int, up *openUpload, c objects.WriteConditions) operation {
		return operation{
			name: name, weight: weight, key: up.Key, becomes: up.whole,
			run: func(ctx context.Context, g *gateway) error { return g.complete(ctx, up.UploadRef, c, up.parts...) },
			after: func(ctx context.Context, g *gateway, _ error, _ bool) error { // a client tries again, or asks once more
				return finishes(ctx, g, up.UploadRef, up.whole, up.parts...)
			},
		}
	}
	// parted sends one part, and then completes with it or, if it failed, with what was there before.
	parted := func(name string, weight int, up *openUpload, number int, b []byte, send func(ctx context.Context, g *gateway) (*objects.PartInfo, error)) operation {
		var sent *objects.PartInfo
		return operation{
			name: name, weight: weight,
			run: func(ctx context.Context, g *gateway) (err error) {
				if sent, err = send(ctx, g); err == nil && sent.ETag != tm.sums.of(b) {
					return fmt.Errorf("%w: the ETag of a part is %s", errWrong, sent.ETag)
				}
				return err
			},
			after: func(ctx context.Context, g *gateway, err error, _ bool) error {
				if err != nil {
					return finishes(ctx, g, up.UploadRef, up.whole, up.parts...)
				}
				parts, whole := slices.Clone(up.parts[:number-1]), slices.Clone(up.whole[:(number-1)*5<<20]) // parts before the last have 5 MiB
				return finishes(ctx, g, up.UploadRef, append(whole, b...), append(parts, objects.CompletedPart{Number: number, ETag: sent.ETag})...)
			},
		}
	}
	var begun string
	small, large := content(50, 4000), content(51, 5<<20)
	return []operation{
		{
			name: "create upload", weight: 3,
			run: func(ctx context.Context, g *gateway) (err error) {
				begun, err = g.CreateUpload(ctx, &objects.CreateUploadInput{Bucket: bucketName, Key: "new/upload", Principal: principal})
				return err
			},
			after: func(ctx context.Context, g *gateway, err error, _ bool) error {
				if err != nil {
					return nil
				}
				ref := objects.UploadRef{Bucket: bucketName, Key: "new/upload", UploadID: begun, Principal: principal}
				p, err := g.part(ctx, ref, 7, small)
				if err != nil {
					return err
				}
				return finishes(ctx, g, ref, small, objects.CompletedPart{Number: 7, ETag: p.ETag})
			},
		},
		parted("part", 4, &tm.held, 1, small, func(ctx context.Context, g *gateway) (*objects.PartInfo, error) {
			return g.part(ctx, tm.held.UploadRef, 1, small)
		}),
		parted("long part", 1, &tm.large, 2, large, func(ctx context.Context, g *gateway) (*objects.PartInfo, error) {
			return g.part(ctx, tm.large.UploadRef, 2, large)
		}),
		parted("part copied", 2, &tm.held, 1, tm.objects["medium"], func(ctx context.Context, g *gateway) (*objects.PartInfo, error) {
			return g.CopyPart(ctx, &objects.CopyPartInput{UploadRef: tm.held.UploadRef, Number: 1, Source: objects.CopySource{Bucket: bucketName, Key: "medium"}})
		}),
		parted("long part copied", 1, &tm.large, 2, tm.objects["split"], func(ctx context.Context, g *gateway) (*objects.PartInfo, error) {
			return g.CopyPart(ctx, &objects.CopyPartInput{UploadRef: tm.large.UploadRef, Number: 2, Source: objects.CopySource{Bucket: bucketName, Key: "split"}})
		}),
		{
			name: "upload if none match", weight: 3, key: "new/whole", becomes: large,
			run: func(ctx context.Context, g *gateway) error {
				id, err := g.CreateUpload(ctx, &objects.CreateUploadInput{Bucket: bucketName, Key: "new/whole", Principal: principal})
				if err != nil {
					return err
				}
				ref := objects.UploadRef{Bucket: bucketName, Key: "new/whole", UploadID: id, Principal: principal}
				p, err := g.part(ctx, ref, 1, large)
				if err != nil {
					return err
				}
				return g.complete(ctx, ref, objects.WriteConditions{IfNoneMatch: true}, objects.CompletedPart{Number: 1, ETag: p.ETag})
			},
		},
		completes("complete", 5, &tm.held, none),
		completes("complete long", 1, &tm.large, none),
		completes("complete if match", 2, &tm.held, objects.WriteConditions{IfMatch: md5Hex(tm.objects["up/held"])}),
		{
			name: "complete if none match, refused", weight: 2, refused: objects.PreconditionFailed,
			run: func(ctx context.Context, g *gateway) error {
				return g.complete(ctx, tm.held.UploadRef, objects.WriteConditions{IfNoneMatch: true}, tm.held.parts...)
			},
			after: func(ctx context.Context, g *gateway, _ error, _ bool) error {
				return finishes(ctx, g, tm.held.UploadRef, tm.held.whole, tm.held.parts...)
			},
		},
		{
			name: "abort", weight: 2,
			run: func(ctx context.Context, g *gateway) error {
				return g.AbortUpload(ctx, &objects.AbortInput{UploadRef: tm.held.UploadRef})
			},
			after: func(ctx context.Context, g *gateway, err error, _ bool) error {
				_, listErr := g.ListParts(ctx, &objects.ListPartsInput{UploadRef: tm.held.UploadRef, Limit: 10})
				if err == nil && kindOf(listErr) != objects.NoSuchUpload {
					return fmt.Errorf("%w: the aborted upload answers %w", errWrong, listErr)
				}
				return nil
			},
		},
	}
}
