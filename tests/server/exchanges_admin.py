"""The exchanges of administrative commands; transcript.py tells how they are read. Each leaves the
server as it was: its settings are everybody's. administration.py has what needs other flags."""
from exchanges import FORMAT, UNASKED, exchange

# --- Administration: stats -----------------------------------------------------------------------
exchange('stats of what there is not', b'stats nosuch\r\nstats noreply\r\n', b'ERROR\r\n' * 2)
# memcached counts sizes only where -o track_sizes says so; here nothing has to be counted along.
exchange('stats sizes of nothing', b'stats sizes\r\n', b'END\r\n',
         memcached=b'STAT sizes_status disabled\r\nEND\r\n')
exchange('stats sizes', b'set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\n', b'STORED\r\n' * 2,
         b'stats sizes\r\n', b'STAT 32 2\r\nEND\r\n', memcached=UNASKED)
exchange('stats reset', b'stats reset\r\n', b'RESET\r\n')
exchange('stats detail without a word, and with a wrong one',
         b'stats detail\r\nstats detail x\r\n',
         b'CLIENT_ERROR usage: stats detail on|off|dump\r\n'
         + b'CLIENT_ERROR usage: stats detail on|off|dump\r\n')
exchange('stats detail',
         b'stats detail on\r\nget p:a\r\nset p:b 0 0 1\r\nx\r\nget p:b p:c\r\ndelete p:b\r\n'
         + b'get q\r\nstats detail dump\r\nstats detail off\r\nget p:a\r\n'
         + b'stats detail dump\r\nstats reset\r\nstats detail dump\r\n',
         b'OK\r\nEND\r\nSTORED\r\nVALUE p:b 0 1\r\nx\r\nEND\r\nDELETED\r\nEND\r\n'
         + b'PREFIX p get 3 hit 1 set 1 del 1\r\nEND\r\nOK\r\nEND\r\n'
         + b'PREFIX p get 3 hit 1 set 1 del 1\r\nEND\r\nRESET\r\nEND\r\n')
exchange('stats cachedump mistakes',
         b'stats cachedump\r\nstats cachedump 1\r\nstats cachedump a 0\r\n'
         + b'stats cachedump 1 a\r\nstats cachedump -1 0\r\nstats cachedump 500 0\r\n',
         b'CLIENT_ERROR bad command line\r\nCLIENT_ERROR bad command line\r\n' + FORMAT * 3
         + b'CLIENT_ERROR Illegal slab id\r\n')

# --- Administration: verbosity, version -----------------------------------------------------------
exchange('verbosity',
         b'verbosity\r\nverbosity x\r\nverbosity 1\r\nverbosity 0 0\r\nverbosity 0\r\n'
         + b'verbosity 0 noreply\r\n',
         FORMAT * 2 + b'OK\r\nOK\r\nOK\r\n')

# --- Administration: lru_crawler ------------------------------------------------------------------
exchange('lru_crawler without a word, and with a wrong one',
         b'lru_crawler\r\nlru_crawler nosuch\r\nlru_crawler nosuch 1\r\nlru_crawlerx\r\n',
         b'ERROR\r\n' * 4)
# memcached says so before its crawler has stopped, and then answers one thing or another.
exchange('lru_crawler disable and enable',
         b'lru_crawler disable\r\nlru_crawler disable\r\n', b'OK\r\nOK\r\n',
         b'lru_crawler metadump all\r\n', b'CLIENT_ERROR lru crawler disabled\r\n',
         b'lru_crawler enable\r\n', b'OK\r\n',
         b'lru_crawler enable x\r\nlru_crawler disable x\r\n', b'ERROR\r\n' * 2, memcached=UNASKED)
exchange('lru_crawler enable while it is', b'lru_crawler enable\r\n', b'OK\r\n',
         memcached=b'ERROR failed to start lru crawler thread\r\n')
exchange('lru_crawler sleep',
         b'lru_crawler sleep 0\r\nlru_crawler sleep 100\r\nlru_crawler sleep 1000000\r\n'
         + b'lru_crawler sleep 1000001\r\nlru_crawler sleep abc\r\nlru_crawler sleep -1\r\n'
         + b'lru_crawler sleep\r\nlru_crawler sleep 100\r\n',
         b'OK\r\nOK\r\nOK\r\nCLIENT_ERROR sleep must be one second or less\r\n' + FORMAT * 2
         + b'ERROR\r\nOK\r\n')
exchange('lru_crawler tocrawl',
         b'lru_crawler tocrawl 100\r\nlru_crawler tocrawl abc\r\nlru_crawler tocrawl -1\r\n'
         + b'lru_crawler tocrawl\r\nlru_crawler tocrawl 0\r\n',
         b'OK\r\n' + FORMAT * 2 + b'ERROR\r\nOK\r\n')
exchange('lru_crawler crawl',
         b'lru_crawler crawl all\r\n', b'OK\r\n',
         b'lru_crawler crawl\r\n', b'ERROR\r\n',
         b'lru_crawler crawl abc\r\n', b'BADCLASS invalid class id\r\n',
         b'lru_crawler crawl 500\r\n', b'BADCLASS invalid class id\r\n')
exchange('lru_crawler metadump and mgdump mistakes',
         b'lru_crawler metadump\r\n', b'ERROR\r\n',
         b'lru_crawler metadump abc\r\n', b'BADCLASS invalid class id\r\n',
         b'lru_crawler metadump all x\r\n', b'ERROR\r\n',
         b'lru_crawler mgdump\r\n', b'ERROR\r\n',
         b'lru_crawler mgdump abc\r\n', b'BADCLASS invalid class id\r\n')
exchange('lru_crawler metadump of nothing',
         b'lru_crawler metadump all\r\n', b'OK\r\nEND\r\n',
         b'lru_crawler metadump hash\r\n', b'OK\r\nEND\r\n')
exchange('lru_crawler mgdump of nothing',
         b'lru_crawler mgdump all\r\n', b'OK\r\nEN\r\n',
         b'lru_crawler mgdump hash\r\n', b'OK\r\nEN\r\n')
exchange('lru_crawler mgdump',
         b'set a/%x 0 0 1\r\nx\r\n', b'STORED\r\n',
         b'lru_crawler mgdump all\r\n', b'OK\r\nmg a/%x\r\nEN\r\n',
         b'lru_crawler mgdump hash\r\n', b'OK\r\nmg a/%x\r\nEN\r\n')
exchange('lru_crawler mgdump of a key in base64',
         b'ms AAH/IA0K 1 b\r\nx\r\n', b'HD\r\n',
         b'lru_crawler mgdump all\r\n', b'OK\r\nmg AAH/IA0K b\r\nEN\r\n')
exchange('lru_crawler mgdump hides what is gone',
         b'set a 0 -1 1\r\nx\r\nset b 0 0 1\r\nx\r\ndelete b\r\n',
         b'STORED\r\nSTORED\r\nDELETED\r\n',
         b'lru_crawler mgdump all\r\n', b'OK\r\nEN\r\n')

# --- Administration: cache_memlimit, shutdown, lru, slabs -----------------------------------------
exchange('cache_memlimit',
         b'cache_memlimit 128\r\ncache_memlimit 64\r\ncache_memlimit 64 noreply\r\n',
         b'OK\r\nOK\r\n')
exchange('cache_memlimit mistakes',
         b'cache_memlimit\r\ncache_memlimit abc\r\ncache_memlimit -1\r\ncache_memlimit 7\r\n',
         b'ERROR\r\n' * 3
         + b'MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n')
exchange('shutdown is not enabled',
         b'shutdown\r\nshutdown graceful\r\nget a\r\n',
         b'SERVER_ERROR: shutdown not enabled\r\nSERVER_ERROR: shutdown not enabled\r\n'
         + b'END\r\n')
# There is no segmented LRU: what memcached says with -o no_lru_maintainer.
exchange('lru',
         b'lru mode segmented\r\nlru tune 10 25 0.1 2.0\r\nlru temp_ttl 60\r\n'
         + b'lru temp_ttl -1\r\n',
         b'ERROR\r\nOK\r\nERROR\r\nERROR\r\n', memcached=b'OK\r\nOK\r\nOK\r\nOK\r\n')
exchange('lru mistakes',
         b'lru\r\nlru nosuch\r\nlru nosuch 1\r\nlru mode\r\nlru mode x\r\nlru tune\r\n'
         + b'lru temp_ttl x\r\n',
         b'ERROR\r\n' * 7)
exchange('slabs automove', b'slabs automove 0\r\nslabs automove 1\r\n', b'OK\r\nOK\r\n')
exchange('slabs mistakes',
         b'slabs\r\nslabs nosuch\r\nslabs nosuch 1\r\nslabs automove\r\nslabs automove x\r\n'
         + b'slabs reassign\r\n',
         b'ERROR\r\n' * 4 + FORMAT + b'ERROR\r\n')

# --- What there is not ---------------------------------------------------------------------------
exchange('commands that are not here',
         b'stats extstore\r\nstats proxy\r\n', b'ERROR\r\n' * 2, memcached=UNASKED)
# What watch does is in watching.py.
exchange('watch of what there is not', b'watch nosuch\r\nwatch noreply\r\nwatch Fetchers\r\n',
         b'ERROR\r\n' * 3)
