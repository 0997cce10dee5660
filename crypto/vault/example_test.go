package vault_test

import (
	"context"
	"fmt"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

// A vault is made in memory; storing the bytes, showing the key and deleting older generations are the caller's.
func Example() {
	ctx := context.Background()
	hasher, err := vault.NewHasher(vault.Cost{Time: 1, MemoryKiB: 19 << 10, Lanes: 1})
	if err != nil {
		panic(err)
	}
	created, key, err := vault.Create(ctx, hasher, vault.Options{Password: secret.NewString("violet kettle orbit 93")})
	if err != nil {
		panic(err)
	}
	fmt.Println("store as", vault.Directory+created.File().Name())
	fmt.Println("show once:", len(key.Reveal()), "characters; printed by mistake:", key)

	// Later, and elsewhere, from the stored bytes.
	file, err := vault.Parse(created.File().Bytes())
	if err != nil {
		panic(err)
	}
	opened, err := file.OpenWithPassword(ctx, hasher, secret.NewString("violet kettle orbit 93"))
	if err != nil {
		panic(err)
	}
	pin, err := opened.Pin()
	if err != nil {
		panic(err)
	}
	changed, err := opened.ChangePassword(ctx, hasher, opened.File().Slots()[1].ID, secret.NewString("maple tundra clock 51"))
	if err != nil {
		panic(err)
	}
	fmt.Println("then store", changed.File().Name(), "with key epoch", changed.Epoch())
	fmt.Println("the pin accepts it:", pin.Verify(changed) == nil)
	// Output:
	// store as .sallyport/vault/0000000001.json
	// show once: 79 characters; printed by mistake: REDACTED
	// then store 0000000002.json with key epoch 2
	// the pin accepts it: true
}
