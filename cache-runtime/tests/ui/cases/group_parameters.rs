mod declared {
    cache_runtime::resources! {
        article { scope(slug: String) }
        feed { scope(viewer: i64) }
        tags {}
        dashboard_day { scope(viewer: i64) }
        dashboard_all {}

        group no_such_scope(slug, viewer) = article(slugg = slug), tags(viewer), "dashboard_*"(viewer);
        group no_such_parameter(slug) = article(slug = slugg), feed(viewer = slug);
        group without_parameters = article(slug);
        group two_types(id) = article(slug = id), feed(viewer = id);
        group taken(viewer) = article(slug = viewer);
        group unused(slug, viewer) = article(slug);
        group twice(slug, slug) = article(slug, slug);
        group conditional(when) = article(slug = when);
        group typed(slug: String) = article(slug);
        group valued(slug) = article(slug = "a");
        group inner(author) = article(slug = author);
        group outer(slug) = inner(slug), inner(author = slug);
    }
}

fn main() {}
