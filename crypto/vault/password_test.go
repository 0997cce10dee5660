package vault_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"

	"sallyport/config/secret"
	"sallyport/crypto/vault"
)

func TestPasswordsAreNormalised(t *testing.T) {
	composed, decomposed := "z\u00fcrich kettle orbit 93", "zu\u0308rich kettle orbit 93"
	created, _ := newVault(t, vault.Options{Password: secret.NewString(decomposed)})
	for _, form := range []string{composed, decomposed} {
		if _, err := created.File().OpenWithPassword(t.Context(), newHasher(t), secret.NewString(form)); err != nil {
			t.Errorf("%+q: %v", form, err)
		}
	}
}

func TestHasherBounds(t *testing.T) {
	for _, cost := range []vault.Cost{
		{},
		{Time: 0, MemoryKiB: 19 << 10, Lanes: 1},
		{Time: 17, MemoryKiB: 19 << 10, Lanes: 1},
		{Time: 1, MemoryKiB: 19<<10 - 1, Lanes: 1},
		{Time: 1, MemoryKiB: 2<<20 + 1, Lanes: 1},
		{Time: 1, MemoryKiB: 19 << 10, Lanes: 0},
		{Time: 1, MemoryKiB: 19 << 10, Lanes: 9},
	} {
		if _, err := vault.NewHasher(cost); err == nil {
			t.Errorf("%+v was taken", cost)
		}
	}
	for _, cost := range []vault.Cost{vault.DefaultCost(), {Time: 16, MemoryKiB: 2 << 20, Lanes: 8}} {
		if _, err := vault.NewHasher(cost); err != nil {
			t.Errorf("%+v: %v", cost, err)
		}
	}
	if vault.DefaultCost() != (vault.Cost{Time: 3, MemoryKiB: 262144, Lanes: 4}) {
		t.Errorf("default cost %+v", vault.DefaultCost())
	}
}

// Whoever waits for the hasher leaves when its context ends, and the others still get their turn.
func TestHasherWaitEndsWithTheContext(t *testing.T) {
	created, _ := newVault(t, vault.Options{Password: secret.NewString(goodPassword)})
	synctest.Test(t, func(t *testing.T) {
		hasher := newHasher(t)
		release := vault.HoldTurn(hasher)
		ctx, cancel := context.WithCancel(t.Context())
		var group sync.WaitGroup
		var canceled, served error
		group.Go(func() { _, canceled = created.File().OpenWithPassword(ctx, hasher, secret.NewString(goodPassword)) })
		group.Go(func() {
			_, served = created.File().OpenWithPassword(t.Context(), hasher, secret.NewString(goodPassword))
		})
		synctest.Wait()
		cancel()
		synctest.Wait()
		if !errors.Is(canceled, context.Canceled) {
			t.Errorf("the waiting call returned %v", canceled)
		}
		release()
		group.Wait()
		if served != nil {
			t.Errorf("the other call: %v", served)
		}
	})
}
