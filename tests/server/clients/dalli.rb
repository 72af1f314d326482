# dalli of Ruby, with the port, the binary protocol; answers calls, one a line with words between tabs, with a line each.
require 'logger'
require 'dalli'
$stdout.sync = true
Dalli.logger = Logger.new(File::NULL)

# Of itself it leaves a server alone for down_retry_delay, 60 s, after socket_max_failures errors.
$client = Dalli::Client.new("127.0.0.1:#{ARGV[0]}", down_retry_delay: 0.1, value_max_bytes: 8 << 20, compress: false,
                            socket_timeout: 10)

def found(value)
  value.nil? ? 'miss' : value
end

def found_many(values)
  values.sort.map { |key, value| "#{key}=#{value}" }.join(' ')
end

RAW = {raw: true}.freeze
CALLS = {
  'get' => ->(key) { found($client.get(key, RAW)) },
  'set' => ->(key, value, ttl) { ($client.set(key, value, ttl.to_i, RAW) ? true : false) },
  'add' => ->(key, value, ttl) { ($client.add(key, value, ttl.to_i, RAW) ? true : false) },
  'replace' => ->(key, value, ttl) { ($client.replace(key, value, ttl.to_i, RAW) ? true : false) },
  'append' => ->(key, value) { $client.append(key, value) },
  'prepend' => ->(key, value) { $client.prepend(key, value) },
  'delete' => ->(key) { $client.delete(key) },
  'incr' => ->(key, amount) { $client.incr(key, amount.to_i).inspect },
  'decr' => ->(key, amount) { $client.decr(key, amount.to_i).inspect },
  'incr_from' => ->(key, amount, initial) { $client.incr(key, amount.to_i, 100, initial.to_i) },
  'touch' => ->(key, ttl) { $client.touch(key, ttl.to_i).inspect },
  'get_many' => ->(*keys) { found_many($client.get_multi(*keys)) },
  'set_many' => lambda do |ttl, *words|
    $client.multi { words.each_slice(2) { |key, value| $client.set(key, value, ttl.to_i, RAW) } }.inspect
  end,
  'delete_many' => ->(*keys) { $client.multi { keys.each { |key| $client.delete(key) } }.inspect },
  'flush' => -> { $client.flush_all.inspect },
  'version' => -> { $client.version.values.first.match?(/^[1-9]/) },
  'stats' => lambda do
    said = $client.stats.values.first
    "curr_items #{said['curr_items']}, pid #{said['pid'].to_i.positive?}"
  end,
  'stats_settings' => -> { $client.stats(:settings).values.first['maxbytes'] },
  'stats_items' => -> { $client.stats(:items).values.first.keys.grep(/:number$/).size.positive? },
  'types' => lambda do
    values = ['text', '', 42, -1, 1.5, true, ['a', {'k' => 1}], :symbol]
    values.reject { |value| $client.set('type', value) && $client.get('type') == value }.inspect
  end,
  'compressed' => lambda do
    value = 'compressible ' * 20_000
    $client.set('compressed', value, 100, compress: true) && $client.get('compressed') == value
  end,
  # In place: cas yields the value, and stores what the block gives.
  'own' => lambda do
    $client.set('cas', 'old', 100)
    first = $client.cas('cas') { |value| value + ' new' }
    second = $client.cas('cas') { |value| $client.set('cas', 'other', 100) && value + ' newer' }
    [first ? true : false, second ? true : false, $client.get('cas'), $client.cas('none') { 'x' }].inspect
  end
}.freeze

while (line = $stdin.gets)
  name, *words = line.chomp.split("\t", -1)
  begin
    answer = CALLS[name] ? CALLS[name].call(*words) : 'no such call'
  rescue StandardError => error
    answer = "error: #{error.class} #{error.message}"
  end
  puts answer.to_s.gsub(/\s*\n\s*/, ' ')
end
