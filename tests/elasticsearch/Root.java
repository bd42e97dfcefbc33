import java.io.IOException;
import java.util.List;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.rest.BaseRestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.xcontent.XContentBuilder;

/** What the distribution answers at its root, and the jars alone do not: which server this is, and its version. */
final class Root extends BaseRestHandler {
    @Override
    public String getName() {
        return "root";
    }

    @Override
    public List<Route> routes() {
        return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
    }

    @Override
    protected RestChannelConsumer prepareRequest(RestRequest request, NodeClient client) {
        return channel -> channel.sendResponse(new RestResponse(RestStatus.OK, body(channel.newBuilder())));
    }

    private static XContentBuilder body(XContentBuilder builder) throws IOException {
        builder.startObject().field("name", "one").field("cluster_name", "synod-tests").field("cluster_uuid", "_na_");
        builder.startObject("version").field("number", Build.current().version()).field("build_flavor", "default").endObject();
        return builder.field("tagline", "You Know, for Search").endObject();
    }
}
