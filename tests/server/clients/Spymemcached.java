// spymemcached of Java (Debian: libspymemcached-java), with the port and text or binary: answers calls, one a line with
// words between tabs, with a line each.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Future;
import net.spy.memcached.CASValue;
import net.spy.memcached.ConnectionFactoryBuilder;
import net.spy.memcached.MemcachedClient;
import net.spy.memcached.internal.OperationFuture;

class Spymemcached {
    static MemcachedClient client;
    static final Map<String, Long> tokens = new TreeMap<>();

    /** What the client says of an operation: its answer, and its status where it is none of the usual. */
    static String said(OperationFuture<?> future) throws Exception {
        Object answer = future.get();
        return answer + " " + future.getStatus().getMessage();
    }

    static String found(Object value) {
        return value == null ? "miss" : value.toString();
    }

    static String foundMany(Map<String, Object> values) {
        List<String> shown = new ArrayList<>();
        for (Map.Entry<String, Object> each : new TreeMap<>(values).entrySet()) {
            shown.add(each.getKey() + "=" + each.getValue());
        }
        return String.join(" ", shown);
    }

    static String gets(String key) {
        CASValue<Object> value = client.gets(key);
        tokens.put(key, value == null ? 0L : value.getCas());
        return value == null ? "miss" : value.getValue().toString();
    }

    /** n sets under way at once, then n gets; how many values are right. */
    static String atOnce(int n) throws Exception {
        List<Future<Boolean>> sets = new ArrayList<>();
        List<Future<Object>> gets = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            sets.add(client.set("once" + i, 0, "value " + i));
        }
        for (int i = 0; i < n; i++) {
            gets.add(client.asyncGet("once" + i));
        }
        int right = 0;
        for (int i = 0; i < n; i++) {
            right += sets.get(i).get() && ("value " + i).equals(gets.get(i).get()) ? 1 : 0;
        }
        return "" + right;
    }

    static String stats() {
        Map<String, String> said = client.getStats().values().iterator().next();
        return "curr_items " + said.get("curr_items") + ", pid " + (Integer.parseInt(said.get("pid")) > 0);
    }

    static String answer(String name, String[] words) throws Exception {
        switch (name) {
        case "get": return found(client.get(words[0]));
        case "set": return said(client.set(words[0], Integer.parseInt(words[2]), words[1]));
        case "add": return said(client.add(words[0], Integer.parseInt(words[2]), words[1]));
        case "replace": return said(client.replace(words[0], Integer.parseInt(words[2]), words[1]));
        case "append": return said(client.append(words[0], words[1]));
        case "prepend": return said(client.prepend(words[0], words[1]));
        case "delete": return said(client.delete(words[0]));
        case "incr": return "" + client.incr(words[0], Long.parseLong(words[1]));
        case "decr": return "" + client.decr(words[0], Long.parseLong(words[1]));
        case "incr_from": return "" + client.incr(words[0], Long.parseLong(words[1]), Long.parseLong(words[2]));
        case "touch": return said(client.touch(words[0], Integer.parseInt(words[1])));
        case "gets": return gets(words[0]);
        case "cas": return "" + client.cas(words[0], tokens.get(words[0]), Integer.parseInt(words[2]), words[1]);
        case "get_many": return foundMany(client.getBulk(Arrays.asList(words)));
        case "flush": return "" + client.flush().get();
        case "version": return "" + client.getVersions().values().iterator().next().matches("[1-9].*");
        case "stats": return stats();
        case "at_once": return atOnce(Integer.parseInt(words[0]));
        default: return "no such call";
        }
    }

    public static void main(String[] arguments) throws Exception {
        System.setProperty("net.spy.log.LoggerImpl", "net.spy.memcached.compat.log.SunLogger");
        java.util.logging.LogManager.getLogManager().reset();
        ConnectionFactoryBuilder builder = new ConnectionFactoryBuilder().setOpTimeout(10000).setMaxReconnectDelay(1);
        if (arguments[1].equals("binary")) {
            builder.setProtocol(ConnectionFactoryBuilder.Protocol.BINARY);
        }
        client = new MemcachedClient(builder.build(), Arrays.asList(
            new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]))));
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split("\t", -1);
            String answer;
            try {
                answer = answer(words[0], Arrays.copyOfRange(words, 1, words.length));
            } catch (Exception error) {
                answer = "error: " + error.getClass().getSimpleName();
            }
            System.out.println(answer.replaceAll("\\s*\n\\s*", " "));
        }
        client.shutdown();
    }
}
