package object_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"sallyport/crypto/keys"
	"sallyport/crypto/object"
)

// A whole object is sealed while it is read; its length is known before. Opened, any range of it can be read.
func ExampleNewObjectReader() {
	vrk := keys.NewVRK()
	id := object.Identity{Mode: object.ModeVault, Epoch: 1, Salt: object.NewSalt()}
	keyring := object.KeyringFunc(func(id object.Identity) (keys.ObjectSecret, error) {
		return keys.VaultObjectSecret(vrk, id.VaultID, id.Epoch, id.Salt), nil
	})
	secret, err := keyring.Secret(id)
	if err != nil {
		panic(err)
	}

	const text = "Nothing of this is legible in the folder."
	sealing, err := object.NewObjectReader(id, secret, int64(len(text)), strings.NewReader(text), func() (*object.Metadata, error) {
		return &object.Metadata{Bucket: "notes", Key: "today.txt", Time: time.Now()}, nil
	})
	if err != nil {
		panic(err)
	}
	file, err := io.ReadAll(sealing)
	if err != nil {
		panic(err)
	}
	fmt.Println(len(file) == int(object.CanonicalSize(int64(len(text)))))

	opened, err := object.OpenFile(bytes.NewReader(file), int64(len(file)), keyring)
	if err != nil {
		panic(err)
	}
	fmt.Println(opened.Metadata.Bucket, opened.Metadata.Key)
	if _, err := io.Copy(os.Stdout, opened.RangeReader(0, 7)); err != nil {
		panic(err)
	}
	// Output:
	// true
	// notes today.txt
	// Nothing
}
