import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Starts one real Elasticsearch node from the jars that Elastic publishes, without the distribution around it: no bootstrap checks, no security.
 *
 * <p>usage: Launcher HOME DATA [SETTING=VALUE ...]
 */
public final class Launcher {
    private Launcher() {}

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings settings = settings(home, arguments);
        LogConfigurator.configureWithoutConfig(settings);
        Node node = node(new Environment(settings, home.resolve("config")), home.resolve("modules"));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        node.start();
        Thread.currentThread().join();
    }

    private static Settings settings(Path home, String[] arguments) {
        Settings.Builder settings = Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", arguments[1])
            .put("cluster.name", "synod-tests")
            .put("node.name", "one")
            .put("discovery.type", "single-node")
            .put("http.host", "127.0.0.1")
            .put("transport.host", "127.0.0.1")
            // A disk that others fill is no reason for it to refuse a test's documents.
            .put("cluster.routing.allocation.disk.threshold_enabled", false);
        for (int index = 2; index < arguments.length; index++) {
            String[] setting = arguments[index].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        return settings.build();
    }

    /** How modules are listed differs between the versions 8.19 and 9. */
    private static Node node(Environment environment, Path modules) throws Exception {
        Object bundles;
        try {
            bundles = PluginsLoader.class.getMethod("loadModulesBundles", Path.class).invoke(null, modules);
        } catch (NoSuchMethodException newer) {
            bundles = PluginsLoader.class.getMethod("loadModulesBundles", Path.class, boolean.class).invoke(null, modules, false);
        }
        Object loader = PluginsLoader.class
            .getMethod("createPluginsLoader", Set.class, Set.class, Map.class)
            .invoke(null, bundles, Set.of(), Map.of());
        return Node.class.getConstructor(Environment.class, PluginsLoader.class).newInstance(environment, loader);
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (Exception error) {
            error.printStackTrace();
        }
    }
}
