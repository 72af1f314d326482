// gomemcache of Go (Debian: golang-github-bradfitz-gomemcache-dev, golang-go), with the port: answers calls, one a line
// with words between tabs, with a line each.
package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

var client *memcache.Client
var tokens = map[string]*memcache.Item{}

func item(words []string) *memcache.Item {
	expires, _ := strconv.Atoi(words[2])
	return &memcache.Item{Key: words[0], Value: []byte(words[1]), Expiration: int32(expires)}
}

// An error as the client says it, or ok.
func said(err error) string {
	if err != nil {
		return "error: " + err.Error()
	}
	return "ok"
}

func found(found *memcache.Item, err error) string {
	if err == memcache.ErrCacheMiss {
		return "miss"
	}
	if err != nil {
		return said(err)
	}
	return string(found.Value)
}

func foundMany(items map[string]*memcache.Item, err error) string {
	if err != nil {
		return said(err)
	}
	var shown []string
	for key := range items {
		shown = append(shown, key)
	}
	sort.Strings(shown)
	for i, key := range shown {
		shown[i] = key + "=" + string(items[key].Value)
	}
	return strings.Join(shown, " ")
}

func number(value uint64, err error) string {
	if err != nil {
		return said(err)
	}
	return strconv.FormatUint(value, 10)
}

func amount(word string) uint64 {
	value, _ := strconv.ParseUint(word, 10, 64)
	return value
}

// n goroutines set a key and get it; how many got what they had set.
func atOnce(n int) string {
	var wait sync.WaitGroup
	right := make([]bool, n)
	for i := 0; i < n; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			key, value := fmt.Sprintf("once%d", i), fmt.Sprintf("value %d", i)
			client.Set(&memcache.Item{Key: key, Value: []byte(value)})
			item, err := client.Get(key)
			right[i] = err == nil && string(item.Value) == value
		}(i)
	}
	wait.Wait()
	count := 0
	for _, is := range right {
		if is {
			count++
		}
	}
	return strconv.Itoa(count)
}

func cas(words []string) string {
	item := tokens[words[0]]
	item.Value = []byte(words[1])
	return said(client.CompareAndSwap(item))
}

func gets(key string) string {
	item, err := client.Get(key)
	tokens[key] = item
	return found(item, err)
}

func touch(words []string) string {
	expires, _ := strconv.Atoi(words[1])
	return said(client.Touch(words[0], int32(expires)))
}

func answer(name string, words []string) string {
	switch name {
	case "get":
		return found(client.Get(words[0]))
	case "set":
		return said(client.Set(item(words)))
	case "add":
		return said(client.Add(item(words)))
	case "replace":
		return said(client.Replace(item(words)))
	case "delete":
		return said(client.Delete(words[0]))
	case "incr":
		return number(client.Increment(words[0], amount(words[1])))
	case "decr":
		return number(client.Decrement(words[0], amount(words[1])))
	case "touch":
		return touch(words)
	case "gets":
		return gets(words[0])
	case "cas":
		return cas(words)
	case "get_many":
		return foundMany(client.GetMulti(words))
	case "at_once":
		return atOnce(int(amount(words[0])))
	case "flush":
		return said(client.DeleteAll())
	}
	return "no such call"
}

func main() {
	client = memcache.New("127.0.0.1:" + os.Args[1])
	client.Timeout = 10 * time.Second
	input := bufio.NewReaderSize(os.Stdin, 4<<20)
	for {
		line, err := input.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Split(strings.TrimRight(line, "\n"), "\t")
		fmt.Println(strings.ReplaceAll(answer(words[0], words[1:]), "\n", " "))
	}
}
