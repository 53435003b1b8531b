//! What the services answer with.
use serde::{Deserialize, Serialize};

use crate::{day::Day, db::read_from_row, money::Money};

/// One page of a list.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// How many items all pages have together.
    pub total: i64,
    /// This page, from 1.
    pub page: i64,
    /// The most items a page has.
    pub page_size: i64,
}

/// Which page of a list to answer with.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Paging {
    /// The page, from 1.
    pub page: i64,
    /// The most items on it.
    pub page_size: i64,
}

impl Paging {
    /// How many items lie before the page.
    pub fn offset(self) -> i64 {
        (self.page - 1) * self.page_size
    }

    /// The page made of `items`, out of `total`.
    pub fn of<T>(self, items: Vec<T>, total: i64) -> Page<T> {
        Page {
            items,
            total,
            page: self.page,
            page_size: self.page_size,
        }
    }
}

/// A company whose books are kept here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Company {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its number at the tax office.
    pub tax_number: String,
    /// The currency of all its amounts.
    pub currency: String,
}

read_from_row!(Company {
    id,
    name,
    tax_number,
    currency
});

/// An invoice that a company issued to a partner.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Invoice {
    /// Its number in the database.
    pub id: i64,
    /// The number printed on it.
    pub number: String,
    /// The company that issued it.
    pub company: i64,
    /// The partner that owes it.
    pub partner: i64,
    /// The partner's name.
    pub partner_name: String,
    /// What is owed.
    pub amount: Money,
    /// What has been paid of it.
    pub paid: Money,
    /// The day of issue.
    pub issued_on: Day,
    /// The day it has to be paid by.
    pub due_on: Day,
}

read_from_row!(Invoice {
    id,
    number,
    company,
    partner,
    partner_name,
    amount,
    paid,
    issued_on,
    due_on
});

/// A movement on a company's account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Movement {
    /// Its number.
    pub id: i64,
    /// The company.
    pub company: i64,
    /// Money in when positive, out when negative.
    pub amount: Money,
    /// `receipt`, `supplier`, `payroll`, `tax`, `bank` or `other`.
    pub kind: String,
    /// What it was for.
    pub description: String,
    /// The day of the bank statement.
    pub booked_on: Day,
}

read_from_row!(Movement {
    id,
    company,
    amount,
    kind,
    description,
    booked_on
});
