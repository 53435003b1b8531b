#[path = "common/mod.rs"]
mod cache_resources;

use cache_runtime::cached;

#[derive(serde::Serialize)]
pub struct Filter {
    page: u32,
}

pub struct AuthUser {
    id: i64,
}

pub struct Context {
    user: AuthUser,
    username: String,
    parent: Option<&'static Context>,
}

pub struct Query<T>(T);

pub struct Pool;

impl Pool {
    async fn rows(&self) -> Vec<u32> {
        vec![]
    }
}

// Data, by its type.
#[cached(resource = "companies_list", skip(filter))]
async fn by_type(filter: &Filter) -> u32 {
    filter.page
}

// Data, of a pattern.
#[cached(resource = "companies_list", skip(page))]
async fn of_a_pattern(Query(page): Query<u32>) -> u32 {
    page
}

#[cached(resource = "companies_list", skip(size, filter))]
async fn of_a_tuple((size, Filter { page, .. }): (u32, Filter), #[cfg(all())] filter: Option<Filter>) -> u32 {
    size + page + filter.map_or(0, |filter| filter.page)
}

// Somebody, by the name.
#[cached(resource = "companies_list", skip(user))]
async fn by_name(user: &AuthUser) -> i64 {
    user.id
}

// Somebody, by what is looked at.
#[cached(resource = "companies_list", skip(context))]
async fn by_field(context: &Context) -> i64 {
    context.user.id
}

// A user who is a field.
#[cached(resource = "companies_list", skip(context))]
async fn by_user_field(context: &Context) -> String {
    context.username.clone()
}

impl Context {
    fn get<T>(&self) -> &Self {
        self
    }

    #[cached(resource = "companies_list")]
    async fn of_self(&self) -> String {
        self.username.clone()
    }

    #[cached(resource = "companies_list")]
    async fn of_self_by_pattern(&self) -> String {
        let Self { username, .. } = self;
        username.clone()
    }

    #[cached(resource = "companies_list")]
    async fn of_self_through_a_reference(&self) -> String {
        (*self).username.clone()
    }

    #[cached(resource = "companies_list")]
    async fn of_self_by_its_type(&self) -> String {
        self.get::<Context>().username.clone()
    }

    #[cached(resource = "companies_list")]
    async fn of_a_part_by_pattern(&self) -> String {
        if let Some(Context { username, .. }) = &self.parent {
            return username.clone();
        }
        String::new()
    }

    #[cached(resource = "companies_list")]
    async fn of_a_part_by_match(&self) -> String {
        match (&self.parent, 1) {
            (Some(parent), _) => parent.username.clone(),
            _ => String::new(),
        }
    }

    #[cached(resource = "companies_list", key(self.username))]
    async fn in_the_key(&self) -> String {
        self.username.clone()
    }

    #[cached(resource = "companies_list", skip(username))]
    async fn left_out(&self) -> String {
        self.username.clone()
    }
}

// Fine: a handle, and what the result does not depend on.
#[cached(resource = "companies_list", skip(pool), independent(filter, user))]
async fn fine(pool: &Pool, filter: &Filter, user: &AuthUser) -> u32 {
    println!("{} {}", filter.page, user.id);
    pool.rows().await.len() as u32
}

// What is borrowed mutably is part of no key.
#[cached(resource = "companies_list", skip(seen, more))]
async fn borrowed(seen: &mut Vec<u32>, (more, n): (&mut Vec<u32>, u32)) -> u32 {
    seen.push(n);
    more.push(n);
    n
}

fn main() {}
