package providers_test

import (
	"testing"

	"sallyport/providers"
	"sallyport/providers/driver"
	"sallyport/providers/drivertest"
	"sallyport/providers/mem"
)

func TestStoreUnderFaults(t *testing.T) {
	drivertest.RunFaults(t, store(providers.StoreOptions{}), drivertest.FaultOptions{Heals: true})
}

func TestStoreOfFileSystemUnderFaults(t *testing.T) {
	opts := drivertest.FaultOptions{Mem: mem.Options{NoSeenIsDurable: true}, Heals: true}
	drivertest.RunFaults(t, store(providers.StoreOptions{}), opts)
}

func TestStoreThatSplitsUnderFaults(t *testing.T) {
	// Parts are so long that a sweep through every call of the longest body stays within hundreds of runs.
	opts := drivertest.FaultOptions{Mem: mem.Options{SplitAbove: 2500}, Heals: true, Only: "Put"}
	drivertest.RunFaults(t, store(providers.StoreOptions{SplitPart: 400_000}), opts)
}

func TestSingleGatewayStoreUnderFaults(t *testing.T) {
	opts := lacking
	opts.NoCopyPart = false
	drivertest.RunFaults(t, store(providers.StoreOptions{SingleGateway: true}), drivertest.FaultOptions{Mem: opts, Heals: true})
}

func TestDecoratorsUnderFaults(t *testing.T) {
	opts := lacking
	opts.NoCopyPart = false
	for name, c := range map[string]struct {
		decorate func(driver.Driver) driver.Driver
		opts     drivertest.FaultOptions
	}{
		"none":           {func(d driver.Driver) driver.Driver { return d }, drivertest.FaultOptions{}},
		"Limit":          {func(d driver.Driver) driver.Driver { return providers.Limit(d, providers.Limits{}) }, drivertest.FaultOptions{}},
		"Retry":          {func(d driver.Driver) driver.Driver { return providers.Retry(d, providers.RetryOptions{}) }, drivertest.FaultOptions{Heals: true}},
		"SingleGateway":  {providers.SingleGateway, drivertest.FaultOptions{Mem: opts}},
		"StoreNoRetries": {store(providers.StoreOptions{Retry: providers.RetryOptions{MaxRetries: -1}}), drivertest.FaultOptions{}},
	} {
		t.Run(name, func(t *testing.T) { drivertest.RunFaults(t, c.decorate, c.opts) })
	}
}
